import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { MadakvError, storeKeys } from '@madakv/contracts';
import { Engine, newProfile, PROFILE_FILE, writeProfile } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import { decodeImage, openModel } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { generationSettings, type RequestParameters } from '@madakv/requests';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  EngineHost,
  EngineStartError,
  type EngineCrash,
  type EngineEvent,
  type EngineRequest,
  type EngineSettings,
} from '../../apps/worker/src/engine/engine.host.js';
import { roomyCheckpoint } from './checkpoint.fixture.js';
import { FIXTURES, requestFixtures, type RequestFixture } from '../conformance/fixture.reader.js';

const MODEL = join(FIXTURES, 'qwen-plain', 'checkpoint');
const cacheDir = mkdtempSync(join(tmpdir(), 'madakv-host-'));
const settings: EngineSettings = {
  modelDir: MODEL,
  provider: 'cpu',
  threads: 1,
  weights: { kind: 'fp32' },
  kvCache: 'fp32',
  cacheDir,
  chunkTokens: 31,
};

let onCrash: (crash: EngineCrash) => void = () => undefined;
let thread: Worker;
let modelDir = MODEL;
const failedStarts: string[] = [];
const resident: (readonly string[])[] = [];
let ready = 0;
let host: EngineHost;
const loads: string[] = [];

beforeAll(async () => {
  host = await EngineHost.start({
    settings,
    restartMs: { first: 1, longest: 10 },
    onCrash: (crash) => {
      onCrash(crash);
    },
    onReady: () => ready++,
    onResident: (documentKeys) => resident.push(documentKeys),
    onRestartFailed: ({ reason }) => failedStarts.push(reason),
    spawn: (entry, { memory }) =>
      (thread = new Worker(entry, { workerData: { memory, settings: { ...settings, modelDir } } })),
  });
});
afterAll(async () => {
  await host.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

const pages = fixture('three-images');
const sizes = await Promise.all(pages.images.map((bytes) => decodeImage(bytes)));

describe('EngineHost', () => {
  it('says what the model is', () => {
    const { decoder } = openModel(MODEL).config;
    expect(host.state).toBe('ready');
    expect(host.info).toMatchObject({
      family: 'qwen2_5_vl',
      provider: 'cpu',
      maxPositions: decoder.maxPositions,
      kvBytesPerToken: 8 * decoder.layers * decoder.kvHeads * decoder.headDim,
      kv: { layers: decoder.layers, precision: 'fp32', onDevice: false },
    });
  });

  it('gives the answer that the engine gives, and says how it comes to it', async () => {
    const parameters = { temperature: 0.8, seed: 5, max_tokens: 70, logprobs: true, top_logprobs: 2 };
    const expected = await engineAnswer(pages, parameters, 0.5);
    const events: EngineEvent[] = [];
    const before = performance.timeOrigin + performance.now();
    const answer = await host.generate(ask('same', parameters), { onEvent: (event) => events.push(event) });

    expect(answer.text).toBe(expected.text);
    expect(answer.trace).toEqual({ ...expected.trace, ms: expect.anything() as unknown });
    expect(answer.usage.completion_tokens).toBe(expected.tokens.length);
    expect(answer.logprobs?.map(({ logprob }) => logprob)).toEqual(
      expected.tokens.map(({ logprobs }) => Number(logprobs?.chosen.logprob.toPrecision(9))),
    );
    expect(answer.logprobs?.[0].top_logprobs).toHaveLength(2);
    expect(answer.imagePlaces).toHaveLength(3);
    // Each image's tokens stand where the prompt has placeholders, in their order.
    const ends = answer.imagePlaces.map(({ start, rows, stride }) => start + rows * stride);
    answer.imagePlaces.forEach(({ tokens, start, rows, columns, stride }, i) => {
      expect([columns, tokens]).toEqual([stride, rows * stride]);
      expect(start).toBeGreaterThanOrEqual(i === 0 ? 1 : ends[i - 1]);
    });

    const tokens = events.flatMap((event) => (event.kind === 'token' ? [event] : []));
    expect(tokens.map(({ text }) => text).join('')).toBe(answer.text);
    expect(tokens.map(({ index }) => index)).toEqual(tokens.map((_, i) => i));
    expect(tokens.flatMap(({ logprobs }) => logprobs ?? [])).toEqual(answer.logprobs);

    const layers = events.flatMap((event) => (event.kind === 'layer' ? [event] : []));
    expect(layers.map(({ layer }) => layer)).toEqual(answer.trace.layers.map(({ layer }) => layer));
    const { times } = answer;
    const ascending = [
      before,
      times.submitted,
      times.started,
      times.prefillStarted,
      ...layers.flatMap(({ startMs, endMs }) => [startMs, endMs]),
      times.prefillEnded,
      times.firstToken,
      times.ended,
      performance.timeOrigin + performance.now(),
    ];
    // The two threads' clocks have started at different moments and agree to a millisecond or so.
    ascending.slice(1).forEach((time, i) => {
      expect(time).toBeGreaterThan(ascending[i] - 5);
    });

    const evicted = events.find((event) => event.kind === 'evicted');
    expect(evicted).toMatchObject({ bytes: answer.trace.bytes.afterEviction, atMs: times.prefillEnded });
    expect(evicted?.maxBytes).toBeGreaterThanOrEqual(answer.trace.bytes.final);
    expect(events[0].kind).toBe('started');
    expect(host.kvBytes).toBe(0);
  });

  it('decodes an image once for all questions about it', async () => {
    loads.length = 0;
    await host.generate(ask('again', { max_tokens: 2 }));
    expect(loads).toEqual([]);
    const renamed = ask('renamed', { max_tokens: 2 }, 'other-');
    await Promise.all([host.generate(renamed), host.generate({ ...renamed, requestId: 'at once' })]);
    expect(loads).toEqual(['other-0', 'other-1', 'other-2']);
  });

  it('hands over together what is asked in one turn, which reads what it shares once', async () => {
    const posted = vi.spyOn(thread, 'postMessage');
    const format = { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'integer' } } } as const;
    const questions = [{}, { response_format: format }, { response_format: { type: 'json_object' } }] as const;
    const given = new AbortController();
    const cancelled = host.generate(ask('not any more', {}), { signal: given.signal });
    const answers = questions.map((parameters, i) =>
      host.generate(textOnly(`${i}`, ['few words '.repeat(20), `${i}?`], { max_tokens: 2, ...parameters })),
    );
    given.abort('changed my mind');
    await expect(cancelled).rejects.toBe('changed my mind');
    const shared = (await Promise.all(answers)).map(({ trace }) => trace.sharing.requests);
    expect(shared).toEqual([3, 3, 3]);
    expect(posted.mock.calls.map(([message]) => (message as { kind: string }).kind)).toEqual(['submit']);
    posted.mockRestore();
  });

  it('keeps a document that was read, and says so', async () => {
    const about = (documentKey: string, question: string): EngineRequest => ({
      ...textOnly(documentKey, ['many words '.repeat(250), question]),
      documentKey,
    });
    const first = await host.generate(about('a', 'How many?'));
    expect(first.trace.sharing).toMatchObject({ residentTokens: 0, cachedTokens: 0 });
    const second = await host.generate(about('b', 'What words?'));
    const { sharing } = second.trace;
    expect(sharing.reason).toBe('resident');
    expect(second.usage.prompt_tokens_details?.cached_tokens).toBe(sharing.residentTokens);
    // The question is some tokens of hundreds.
    expect(second.usage.prompt_tokens - sharing.residentTokens).toBeLessThan(60);
    expect(host.memory.rows).toBeGreaterThan(sharing.residentTokens * host.info.kvBytesPerToken);
    await expect.poll(() => resident).toEqual([['a'], ['a', 'b']]);
    await crash();
    expect(host.memory.rows).toBe(0);
    expect(resident.at(-1)).toEqual([]);
    expect((await host.generate(about('b', 'How many?'))).trace.sharing.residentTokens).toBe(0);
    await expect.poll(() => resident.at(-1)).toEqual(['b']);
  });

  it('never takes a page for another that differs in one pixel', async () => {
    const size = { width: 280, height: 280, channels: 3 } as const;
    const png = async (shade: number): Promise<Buffer> => {
      const pixels = new Uint8Array(size.width * size.height * 3).fill(9);
      pixels[0] = shade;
      return sharp(pixels, { raw: size }).png().toBuffer();
    };
    const ask = async (shade: number): Promise<EngineRequest> => {
      const bytes = await png(shade);
      // As prepare names what it stores.
      const key = storeKeys.image(createHash('sha256').update(bytes).digest('hex'));
      const image = { key, part: 'a', width: size.width, height: size.height, load: () => Promise.resolve(bytes) };
      const pages = Array.from({ length: 12 }, () => ({ type: 'image' as const, index: 0 }));
      const content = [...pages, { type: 'text' as const, text: 'What is it?' }];
      return { ...textOnly(`${shade}`, []), messages: [{ role: 'user', content }], images: [image] };
    };
    const sharing = async (shade: number) => (await host.generate(await ask(shade))).trace.sharing;
    expect(await sharing(9)).toMatchObject({ residentTokens: 0 });
    expect(await sharing(255)).toMatchObject({ residentTokens: 0, reason: 'nothing_alike' });
    expect(await sharing(9)).toMatchObject({ reason: 'resident' });
  });

  it('never blocks the main thread', async () => {
    const long = {
      ...ask('long', { max_tokens: 1, madakv: { policy: 'h2o' } }),
      messages: [{ role: 'user', content: [{ type: 'text' as const, text: 'many words '.repeat(250) }] }],
      images: [],
    };
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const usage = performance.eventLoopUtilization();
    const { times } = await host.generate(long);
    const { active } = performance.eventLoopUtilization(usage);
    clearInterval(timer);
    const busy = times.prefillEnded - times.prefillStarted;
    expect(ticks).toBeGreaterThan(0);
    // A thread that does the work itself is active for all of it.
    expect(active).toBeLessThan(0.8 * busy);
  });

  it('cancels in prefill and while decoding, with the caller’s reason, and frees the cache', async () => {
    for (const kind of ['prefill', 'token'] as const) {
      const controller = new AbortController();
      const reason = new MadakvError('lease_lost', 'gone');
      const answer = host.generate(ask(`cancel ${kind}`, { max_tokens: 1_000 }), {
        signal: controller.signal,
        onEvent: (event) => {
          if (event.kind === kind) controller.abort(reason);
        },
      });
      await expect(answer).rejects.toBe(reason);
      expect(host.kvBytes).toBe(0);
    }
    await expect(host.generate(ask('late', {}), { signal: AbortSignal.abort('no') })).rejects.toBe('no');
  });

  it('fails a request whose listener or image throws, with what was thrown', async () => {
    const thrown = new Error('listener');
    const onEvent = (): never => {
      throw thrown;
    };
    await expect(host.generate(ask('listener', {}), { onEvent })).rejects.toBe(thrown);
    const request = ask('image', {}, 'missing-');
    const missing = { ...request.images[1], load: () => Promise.reject(new Error('no such key')) };
    await expect(
      host.generate({ ...request, images: [request.images[0], missing, request.images[2]] }),
    ).rejects.toThrow('no such key');
  });

  it.each([
    [{ madakv: { policy: 'none' } }, { code: 'invalid_request', param: 'madakv.policy' }],
    [{ madakv: { options: { profile: { layers: [1] } } } }, { code: 'invalid_request', param: 'madakv.options' }],
    [{ max_tokens: 100_000_000 }, { code: 'context_length_exceeded' }],
  ])('refuses %j with a code', async (parameters, error) => {
    await expect(host.generate(ask('bad', parameters))).rejects.toMatchObject({ name: 'MadakvError', ...error });
  });

  it('refuses a prompt that is not the one that was prepared', async () => {
    const { usage } = await host.generate(ask('prepared', { max_tokens: 1 }));
    const right = { ...ask('right', { max_tokens: 1 }), promptTokens: usage.prompt_tokens };
    expect((await host.generate(right)).usage.prompt_tokens).toBe(usage.prompt_tokens);
    await expect(host.generate({ ...right, promptTokens: usage.prompt_tokens - 1 })).rejects.toMatchObject({
      code: 'internal_error',
      message: expect.stringContaining(`${usage.prompt_tokens} tokens where ${usage.prompt_tokens - 1}`) as unknown,
    });
  });

  it('follows the layer profile beside the built model', async () => {
    const budgets = async (parameters: RequestParameters): Promise<number[]> => {
      const { trace } = await host.generate(ask('profile', { ...parameters, max_tokens: 1 }));
      return trace.layers.map(({ budget }) => budget);
    };
    const before = await budgets({});
    writeProfile(host.info.builtDir, profile([5, 1]));
    try {
      const [first, second] = await budgets({});
      expect(first).toBeGreaterThan(second);
      expect(await budgets({ madakv: { options: { profile: 'late' } } })).toEqual(before);
    } finally {
      rmSync(join(host.info.builtDir, PROFILE_FILE));
    }
  });

  it('refuses a grant that is too small, and bytes that are no image', async () => {
    await expect(host.generate({ ...ask('small', {}), cacheRatio: 0.001 })).rejects.toMatchObject({
      code: 'cache_ratio_too_small',
    });
    const request = ask('no image', {}, 'broken-');
    const broken = { ...request.images[0], load: () => Promise.resolve(Buffer.from('GIF8')) };
    await expect(host.generate({ ...request, images: [broken, ...request.images.slice(1)] })).rejects.toMatchObject({
      code: 'invalid_document',
      param: 'messages.0.content.0',
      reason: 'bad_image',
    });
  });

  it('fails what was in a thread that dies, starts it again and answers what comes meanwhile', async () => {
    const begun = new Promise<void>((resolve) => {
      const onEvent = (event: EngineEvent): void => {
        if (event.kind === 'token') resolve();
      };
      host.generate(ask('decoding', { max_tokens: 1_000 }), { onEvent }).catch(() => undefined);
    });
    await begun;
    const decoding = host.generate(ask('second', { max_tokens: 1_000 }));
    const failed = expect(decoding).rejects.toMatchObject({ code: 'engine_crashed', retryable: true });
    const seen = ready;
    const crashed = await crash();
    expect(host.state).toBe('starting');
    const waiting = host.generate(ask('waiting', { max_tokens: 3 }));
    const given = new AbortController();
    const impatient = host.generate(ask('impatient', {}), { signal: given.signal });
    given.abort('enough');
    await expect(impatient).rejects.toBe('enough');
    await failed;
    expect((await waiting).usage.completion_tokens).toBeGreaterThan(0);
    expect(ready).toBe(seen + 1);
    expect(crashed.error.message).toContain('nonsense');
    expect(crashed.running).toContain('decoding');
    expect([...crashed.running, ...crashed.waiting].sort()).toEqual(['decoding', 'second']);
    expect(host.kvBytes).toBe(0);
  });

  it('goes on trying when the model cannot be loaded again', async () => {
    modelDir = join(FIXTURES, 'images');
    expect(await crash()).toMatchObject({ running: [], waiting: [] });
    await expect.poll(() => failedStarts.length).toBeGreaterThan(1);
    expect(failedStarts[0]).toBe('missing_file');
    expect(host.state).toBe('starting');
    modelDir = MODEL;
    expect((await host.generate(ask('healed', { max_tokens: 2 }))).usage.completion_tokens).toBeGreaterThan(0);
  });

  it('says what is wrong with a model folder', async () => {
    const start = EngineHost.start({ settings: { ...settings, modelDir: join(FIXTURES, 'images') } });
    await expect(start).rejects.toBeInstanceOf(EngineStartError);
    await expect(start).rejects.toThrow(/config\.json/);
    await expect(start).rejects.toMatchObject({ reason: 'missing_file' });
  });

  it('gives up a start', async () => {
    const fresh = { ...settings, cacheDir: join(cacheDir, 'given-up') };
    const controller = new AbortController();
    const start = EngineHost.start({
      settings: fresh,
      signal: controller.signal,
      onBuild: () => {
        controller.abort(new Error('enough'));
      },
    });
    await expect(start).rejects.toThrow('enough');
    await expect(EngineHost.start({ settings, signal: AbortSignal.abort('no') })).rejects.toBe('no');
  });

  it('fails what is under way when it is closed', async () => {
    // Its answers never end by themselves.
    const other = await EngineHost.start({ settings: { ...settings, modelDir: roomyCheckpoint(cacheDir) } });
    let closing: Promise<void> | undefined;
    const answer = other.generate(ask('closed', { max_tokens: 100_000 }), {
      onEvent: ({ kind }) => {
        if (kind === 'token') closing ??= other.close();
      },
    });
    await expect(answer).rejects.toMatchObject({ code: 'worker_stopping' });
    await closing;
    expect(other.state).toBe('closed');
    await expect(other.generate(ask('after', {}))).rejects.toMatchObject({ code: 'worker_stopping' });
    await other.close();
  });
});

/** Ends the thread by an error that nobody catches. */
function crash(): Promise<EngineCrash> {
  return new Promise((resolve) => {
    onCrash = resolve;
    thread.postMessage({ kind: 'nonsense' });
  });
}

function fixture(name: string): RequestFixture {
  const found = requestFixtures().find((entry) => entry.name === `qwen-plain ${name}`);
  if (found === undefined) throw new Error(`no fixture ${name}`);
  return found;
}

function ask(requestId: string, parameters: RequestParameters, prefix = ''): EngineRequest {
  let index = 0;
  return {
    requestId,
    messages: pages.messages.map(({ role, content }) => ({
      role,
      content:
        typeof content === 'string'
          ? [{ type: 'text', text: content }]
          : (content ?? []).map((part) => (part.type === 'text' ? part : { type: 'image', index: index++ })),
    })),
    images: pages.images.map((bytes, i) => ({
      key: `${prefix}${i}`,
      part: `messages.0.content.${i}`,
      width: sizes[i].width,
      height: sizes[i].height,
      load: () => {
        loads.push(`${prefix}${i}`);
        return Promise.resolve(bytes);
      },
    })),
    settings: generationSettings(parameters),
    cacheRatio: 0.5,
  };
}

function textOnly(requestId: string, texts: readonly string[], parameters: RequestParameters = {}): EngineRequest {
  return {
    ...ask(requestId, { max_tokens: 1, ...parameters }),
    messages: [{ role: 'user', content: texts.map((text) => ({ type: 'text', text })) }],
    images: [],
  };
}

function profile(layers: readonly number[]): Parameters<typeof writeProfile>[1] {
  return newProfile(layers, {
    data: { file: 'test', sha256: '' },
    requests: 1,
    promptTokens: 1,
    ratio: 0.1,
    ranking: 'test',
    formula: 'test',
    createdAt: new Date(0).toISOString(),
    figures: { layers: [] },
  });
}

async function engineAnswer(request: RequestFixture, parameters: RequestParameters, cacheRatio: number) {
  const engine = await Engine.load(openModel(MODEL), cpuProvider(1), {
    ...settings,
    precision: settings.weights,
    residentLimitBytes: 2 ** 28,
  });
  try {
    const prompt = await engine.model.prepare(request.messages, request.images);
    const { sampling, maxTokens, topLogprobs } = generationSettings(parameters);
    const policy = createPolicy('madakv');
    return await engine.generate({
      prompt,
      policy,
      cacheRatio,
      maxTokens,
      sampling,
      ...(topLogprobs === undefined ? {} : { topLogprobs }),
    });
  } finally {
    await engine.close();
  }
}
