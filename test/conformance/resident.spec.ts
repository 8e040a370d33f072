import {
  promptLayout,
  type Engine,
  type EngineOptions,
  type GenerationEvent,
  type GenerationRequest,
  type KvPrecision,
} from '@madakv/engine';
import { createPolicy, policies } from '@madakv/madakv';
import type { ChatMessage, PreparedImage, PreparedPrompt } from '@madakv/models';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, loadEngine, request, temporaryCache } from './engine.fixture.js';
import { expectSameAnswer } from './same.answer.js';

const NAMES = Object.keys(policies);
/** Policies that want the attention of every query: rows of another prefill cannot serve them. */
const OBSERVING_ALL = ['h2o', 'look-m'];
const WORDS = ['total', 'date', 'name', 'of', 'the', 'page', 'number', 'tax', '12', 'when', 'who', 'paid', 'is', 'it?'];
/** Longer than what counts as part of the question. */
const DOCUMENT = `Read this. ${'A line of text. '.repeat(20)}`;
const QWEN = 'qwen-plain three-images';
const OPTIONS = { chunkTokens: 31, maxSequences: 16, residentLeastTokens: 40, residentLimitBytes: 2 ** 26 };

const cacheDir = temporaryCache();

/** Numbers in [0, 1), the same for the same seed. */
function stream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const words = (random: () => number, most: number): string =>
  Array.from({ length: 1 + Math.floor(random() * most) }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');

const imagePart = { type: 'image_url' as const, image_url: { url: '' } };
const textPart = (text: string) => ({ type: 'text' as const, text });

/** A fixture's images and a text, and behind them a question. */
function asking({ model }: Engine, name: string, question: string, document = DOCUMENT): Promise<PreparedPrompt> {
  const { images } = fixture(name);
  const content = [...images.map(() => imagePart), textPart(document), textPart(question)];
  return model.prepare([{ role: 'user', content }], images);
}

/** Texts alone. */
function reading({ model }: Engine, ...texts: string[]): Promise<PreparedPrompt> {
  const messages: ChatMessage[] = [{ role: 'user', content: texts.map(textPart) }];
  return model.prepare(messages, []);
}

/** The first token whose attention a request's policy wants to see. */
function firstObserved({ prompt, policy, protocol }: GenerationRequest): number {
  const observed = policy.observe(promptLayout(prompt, protocol === 'plain' ? 0 : 1));
  return observed.kind === 'queries' ? Math.min(...observed.positions) : prompt.inputIds.length - 1;
}

describe.each([
  [QWEN, 'fp32'],
  ['llava-plain three-images', 'fp32'],
  ['qwen3-vl-plain three-images', 'fp32'],
  ['llava-next-plain three-images', 'fp32'],
  [QWEN, 'int8'],
] as const)('questions about %s, cache in %s', (name, kvPrecision: KvPrecision) => {
  let engine: Engine;
  let cold: Engine;
  beforeAll(async () => {
    const { checkpoint } = fixture(name);
    engine = await loadEngine(checkpoint, cacheDir, { ...OPTIONS, kvPrecision });
    cold = await loadEngine(checkpoint, cacheDir, { chunkTokens: 31, maxGroup: 1, kvPrecision });
    await engine.generate(request(await asking(engine, name, 'total of the page'), { maxTokens: 1 }));
  });

  const draw = async (seed: number, members: number): Promise<GenerationRequest[]> => {
    const random = stream(seed);
    const requests: GenerationRequest[] = [];
    for (let i = 0; i < members; i++) {
      const policy = NAMES[(seed + i) % NAMES.length];
      requests.push(
        request(await asking(engine, name, words(random, random() < 0.3 ? 40 : 6)), {
          policy: createPolicy(policy),
          cacheRatio: policy === 'full' ? 1 : 0.2 + 0.6 * random(),
          protocol: random() < 0.4 ? 'plain' : 'replay',
          maxTokens: 2 + Math.floor(random() * 6),
          wantFirstLogits: true,
          ...(random() < 0.3 ? { sampling: { temperature: 0.8, seed: i } } : {}),
        }),
      );
    }
    return requests;
  };

  it.each(NAMES.map((_, i) => i))('get the answers that they get cold: %d', async (seed) => {
    for (const protocol of ['replay', 'plain'] as const) {
      const [drawn] = await draw(seed, 1);
      const each = { ...drawn, protocol };
      const warm = await engine.generate(each);
      const { sharing, policy } = warm.trace;
      if (OBSERVING_ALL.includes(policy)) {
        expect(sharing).toMatchObject({ residentTokens: 0, cachedTokens: 0, reason: 'observes_all' });
        expect(sharing.alikeTokens).toBeGreaterThanOrEqual(OPTIONS.residentLeastTokens);
      } else {
        expect(sharing).toMatchObject({ requests: 1, sharedTokens: 0, reason: 'resident' });
        // The question and what the template adds to it are computed, and the queries before it that the policy watches.
        const unwatched = Math.min(each.prompt.question.start, firstObserved(each));
        expect(sharing.residentTokens).toBeLessThanOrEqual(unwatched);
        // A token may reach across the start of one question and not of another.
        expect(sharing.residentTokens).toBeGreaterThanOrEqual(unwatched - 1);
        expect(sharing.cachedTokens).toBe(sharing.residentTokens);
      }
      expect(warm.usage.cachedTokens).toBe(sharing.cachedTokens);
      const alone = await cold.generate(each);
      expectSameAnswer(warm, alone);
      expect(warm.trace.bytes.peak).toBe(alone.trace.bytes.peak);
    }
    expect(engine.kvBytes).toBe(0);
  });

  it.each([1, 2, 3, 4])('get them together too: group %d', async (seed) => {
    const requests = await draw(seed, 2 + seed);
    const together = await Promise.all(requests.map((each) => engine.generate(each)));
    for (const [i, each] of requests.entries()) {
      const alone = await cold.generate(each);
      // In a group the layer is charged to all together; what is left is each one's own.
      expectSameAnswer(together[i], alone);
    }
    const reasons = new Set(together.map(({ trace }) => trace.sharing.reason));
    expect(reasons).toContain('resident');
    expect(engine.kvBytes).toBe(0);
  });
});

describe('a document that was read', () => {
  const { checkpoint } = fixture(QWEN);
  const load = (changes: Partial<EngineOptions> = {}) => loadEngine(checkpoint, cacheDir, { ...OPTIONS, ...changes });
  const once = (prompt: PreparedPrompt, changes: Partial<GenerationRequest> = {}) =>
    request(prompt, { maxTokens: 1, ...changes });

  it('is not computed again: a question takes the runs of its own tokens, and no image is prepared', async () => {
    const engine = await load({ featureCacheBytes: 0 });
    const prepared = await Promise.all(fixture(QWEN).images.map((image) => engine.model.prepareImage(image)));
    let decoded = 0;
    const ask = (question: string) => {
      const images = prepared.map(({ patchGrid, grid, tokens, key }, index) => {
        const prepare = (): Promise<PreparedImage> => {
          decoded++;
          return Promise.resolve(prepared[index]);
        };
        return { patchGrid, grid, tokens, key, prepare };
      });
      const content = [...images.map(() => imagePart), textPart(DOCUMENT), textPart(question)];
      return engine.model.layoutOf([{ role: 'user', content }], images);
    };
    const runs: number[] = [];
    const onEvent = (event: GenerationEvent): void => {
      if (event.kind === 'prefill' && event.done === event.total) runs.push(event.total);
    };
    const policy = createPolicy('madakv');
    const changes = { policy, cacheRatio: 0.5, maxTokens: 1 };
    const first = await engine.generate({ prompt: ask('total'), ...changes }, { onEvent });
    expect(decoded).toBe(3);
    const prompt = ask('date of the page');
    const second = await engine.generate({ prompt, ...changes }, { onEvent });
    expect(decoded).toBe(3);
    expect(second.trace.ms.vision).toBe(0);
    const { layers } = engine.model.config.decoder;
    const own = prompt.inputIds.length - prompt.question.start;
    expect(second.trace.sharing.residentTokens).toBe(prompt.question.start);
    const chunks = [first.usage.promptTokens, own].map((tokens) => Math.ceil(tokens / OPTIONS.chunkTokens));
    expect(chunks[1]).toBeLessThan(chunks[0]);
    expect(runs).toEqual(chunks.map((number) => layers * number));
  });

  it('is used up to the first query that a policy watches, in the middle of an image if need be', async () => {
    const engine = await load({ featureCacheBytes: 0 });
    const cold = await load({ residentLimitBytes: 0 });
    await engine.generate(once(await asking(engine, QWEN, 'total')));
    const prompt = await asking(engine, QWEN, 'date');
    const image = prompt.segments.findLast(({ modality }) => modality === 'visual');
    if (image === undefined || image.end - image.start < 3) throw new Error('no image to cut');
    const cut = image.start + 2;
    const policy = createPolicy('madakv', { proxies: prompt.inputIds.length - cut });
    const each = request(prompt, { policy, cacheRatio: 0.4, maxTokens: 4, wantFirstLogits: true });
    const warm = await engine.generate(each);
    expect(warm.trace.sharing.residentTokens).toBe(cut);
    const alone = await cold.generate(each);
    expectSameAnswer(warm, alone);
    expect(warm.trace.bytes.peak).toBe(alone.trace.bytes.peak);
  });

  it('takes the memory given for it, and none of what leases cover', async () => {
    const engine = await load();
    const without = await load({ residentLimitBytes: 0 });
    for (const question of ['total', 'date of the page', 'who paid']) {
      const each = once(await asking(engine, QWEN, question), { maxTokens: 8 });
      const warm = await engine.generate(each);
      const cold = await without.generate(each);
      expect(warm.trace.bytes).toEqual(cold.trace.bytes);
    }
    expect(engine.kvPeakBytes).toBe(without.kvPeakBytes);
    expect(without.residentBytes).toBe(0);
    const { prompt } = once(await asking(engine, QWEN, 'total'));
    // The rows of all layers in full precision; ids and positions beside them.
    const tokens = prompt.question.start;
    expect(engine.residentBytes).toBe(tokens * (engine.kvBytesPerToken + 4 * (1 + prompt.axes)));
    await engine.close();
    expect(engine.residentBytes).toBe(0);
  });

  it('makes way for others when the memory is full, the one first that was asked about longest ago', async () => {
    const probe = await load();
    await probe.generate(once(await reading(probe, 'a '.repeat(200), 'date?')));
    const told: (readonly string[])[] = [];
    const limit = Math.floor(2.5 * probe.residentBytes);
    const engine = await load({ residentLimitBytes: limit, onResident: (keys) => told.push(keys) });
    const read = async (document: string) => {
      const prompt = await reading(engine, `${document} `.repeat(200), 'date?');
      const { trace } = await engine.generate(once(prompt, { documentKey: document }));
      expect(engine.residentBytes).toBeLessThanOrEqual(limit);
      return trace.sharing.reason;
    };
    expect(await read('a')).toBe('nothing_waited');
    expect(await read('b')).toBe('nothing_alike');
    expect(await read('a')).toBe('resident');
    expect(await read('d')).toBe('nothing_alike');
    expect(await read('a')).toBe('resident');
    expect(await read('b')).toBe('nothing_alike');
    expect(told).toEqual([['a'], ['a', 'b'], ['a'], ['a', 'd'], ['a'], ['a', 'b']]);
    const long = await reading(engine, 'e '.repeat(800), 'date?');
    expect((await engine.generate(once(long))).trace.sharing).toMatchObject({ reason: 'too_large' });
    expect(told).toHaveLength(6);
  });

  it('serves several questions that wait together', async () => {
    const engine = await load();
    const cold = await load({ residentLimitBytes: 0, maxGroup: 1 });
    await engine.generate(once(await asking(engine, QWEN, 'total')));
    const policy = createPolicy('madakv');
    const questions = ['date', 'date', 'who paid the tax when', 'number of the page'];
    const requests = await Promise.all(
      questions.map(async (question) => {
        const prompt = await asking(engine, QWEN, question);
        return request(prompt, { policy, cacheRatio: 0.4, maxTokens: 4, wantFirstLogits: true });
      }),
    );
    const results = await Promise.all(requests.map((each) => engine.generate(each)));
    for (const [i, each] of requests.entries()) {
      const alone = await cold.generate(each);
      expectSameAnswer(results[i], alone);
      const { sharing } = results[i].trace;
      expect(sharing).toMatchObject({ requests: 4, reason: 'resident' });
      expect(sharing.residentTokens).toBeGreaterThanOrEqual(each.prompt.question.start - 1);
      const own = i === 1 ? 1 : each.prompt.inputIds.length - (i === 0 ? sharing.residentTokens : sharing.sharedTokens);
      expect(results[i].usage.cachedTokens).toBe(each.prompt.inputIds.length - own);
    }
  });

  it('stays as it is when a longer one that begins with it is read, until that is there', async () => {
    const engine = await load();
    const first = 'What was paid? '.repeat(20);
    await engine.generate(once(await reading(engine, first, 'date?')));
    const short = engine.residentBytes;
    const stop = new AbortController();
    const long = once(await reading(engine, first, 'Who paid it? '.repeat(20), 'date?'));
    const cancelled = engine.generate(long, {
      signal: stop.signal,
      onEvent: ({ kind }) => {
        if (kind === 'layer') stop.abort(new Error('no longer wanted'));
      },
    });
    await expect(cancelled).rejects.toThrow('no longer wanted');
    expect(engine.residentBytes).toBe(short);
    const extended = await engine.generate(long);
    expect(extended.trace.sharing.reason).toBe('resident');
    const tokens = long.prompt.question.start;
    expect(engine.residentBytes).toBe(tokens * (engine.kvBytesPerToken + 4 * (1 + long.prompt.axes)));
    const again = await engine.generate(long);
    expect(again.trace.sharing.residentTokens).toBe(tokens);
  });

  it('is not resident when its prefill was cancelled or has failed', async () => {
    const told: (readonly string[])[] = [];
    const engine = await load({ onResident: (keys) => told.push(keys) });
    const prompt = await asking(engine, QWEN, 'total');
    const { layers } = engine.model.config.decoder;
    for (const last of [0, layers - 1]) {
      const failing = createPolicy('madakv');
      const broken: GenerationRequest['policy'] = {
        ...failing,
        start: (...given) => {
          const selector = failing.start(...given);
          return {
            select: (layer, importance) => {
              if (layer === last) throw new Error('planted');
              return selector.select(layer, importance);
            },
          };
        },
      };
      await expect(engine.generate(once(prompt, { policy: broken, documentKey: 'a' }))).rejects.toThrow('planted');
      expect(engine.residentBytes).toBe(0);
    }
    const stop = new AbortController();
    const held: number[] = [];
    const cancelled = engine.generate(once(prompt, { documentKey: 'a' }), {
      signal: stop.signal,
      onEvent: ({ kind }) => {
        if (kind !== 'layer') return;
        held.push(engine.residentBytes);
        stop.abort(new Error('no longer wanted'));
      },
    });
    await expect(cancelled).rejects.toThrow('no longer wanted');
    // A layer was copied, and is gone.
    expect(held).toHaveLength(1);
    expect(held[0]).toBeGreaterThan(0);
    expect(engine.residentBytes).toBe(0);
    expect(told).toEqual([]);
    expect(engine.kvBytes).toBe(0);
  });

  it('is another one when a pixel of its image differs, though its tokens are the same', async () => {
    const engine = await load();
    const size = { width: 280, height: 280 };
    const picture = (shade: number) => {
      const data = new Uint8Array(size.width * size.height * 3).fill(9);
      data[data.length / 2] = shade;
      return { ...size, data };
    };
    const content = [imagePart, textPart('What is the total?')];
    const ask = async (shade: number) => {
      const prompt = await engine.model.prepare([{ role: 'user', content }], [picture(shade)]);
      return once(prompt, { wantFirstLogits: true });
    };
    const [first, other, same] = [await ask(9), await ask(255), await ask(9)];
    expect(first.prompt.inputIds).toEqual(other.prompt.inputIds);
    const cold = await load({ residentLimitBytes: 0 });
    const image = first.prompt.segments.find(({ modality }) => modality === 'visual');
    const results = [await engine.generate(first), await engine.generate(other), await engine.generate(same)];
    const { sharing } = results[1].trace;
    expect(sharing).toMatchObject({ reason: 'nothing_alike', residentTokens: 0, alikeTokens: image?.start });
    expect(results[2].trace.sharing.reason).toBe('resident');
    for (const [i, each] of [first, other, same].entries()) expectSameAnswer(results[i], await cold.generate(each));
    expect(results[0].firstLogits).not.toEqual(results[1].firstLogits);
  });

  it('says why nothing was shared', async () => {
    const reasons = async (engine: Engine, ...texts: string[]) => {
      const prompts = await Promise.all(texts.map((text) => reading(engine, text, 'date?')));
      const results = await Promise.all(prompts.map((prompt) => engine.generate(once(prompt))));
      return results.map(({ trace }) => trace.sharing.reason);
    };
    const long = 'What was paid? '.repeat(20);
    expect(await reasons(await load({ residentLimitBytes: 0 }), long)).toEqual(['off']);
    expect(await reasons(await load({ residentLimitBytes: 1_000 }), long)).toEqual(['too_large']);
    const engine = await load({ residentLeastTokens: 100 });
    expect(await reasons(engine, 'no')).toEqual(['short']);
    expect(await reasons(engine, long, 'Who paid? '.repeat(20))).toEqual(['nothing_alike', 'nothing_alike']);
    expect(await reasons(engine, long)).toEqual(['resident']);
    const fresh = await load();
    expect(await reasons(fresh, long, long)).toEqual(['shared', 'shared']);
    expect(await reasons(fresh, long, long)).toEqual(['resident', 'resident']);
  });

  it('is not kept chunk by chunk', async () => {
    await expect(load({ prefillOrder: 'chunk' })).rejects.toThrow(RangeError);
  });
});
