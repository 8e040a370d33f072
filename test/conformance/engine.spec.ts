import {
  decodePositions,
  type Engine,
  type GenerationEvent,
  type GenerationRequest,
  type GenerationResult,
} from '@madakv/engine';
import { createPolicy, policies } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import { cpuProvider, type CodeType } from '@madakv/onnx';
import { collectGarbage } from '@madakv/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture, loadEngine, relativeError, request, temporaryCache } from './engine.fixture.js';
import { firstLogitsError, precisionCases } from './precision.cases.js';

const cacheDir = temporaryCache();
const pages = fixture('qwen-plain three-images');
const policyNames = Object.keys(policies);
/** Every policy that can do with less than the full cache. */
const reducing = policyNames.filter((name) => name !== 'full');

let engine: Engine;
let prompt: PreparedPrompt;
beforeAll(async () => {
  engine = await loadEngine(pages.checkpoint, cacheDir, { chunkTokens: 31 });
  prompt = await engine.model.prepare(pages.messages, pages.images);
});

describe('eviction', () => {
  it.each(reducing)('%s gives the same answer layer by layer as after the whole prefill', async (name) => {
    const usual = await loadEngine(pages.checkpoint, cacheDir, { chunkTokens: 31, prefillOrder: 'chunk' });
    const ask = request(prompt, { policy: createPolicy(name), cacheRatio: 0.4, wantFirstLogits: true });
    const ours = await engine.generate(ask);
    const theirs = await usual.generate(ask);
    expect(ours.firstLogits).toEqual(theirs.firstLogits);
    expect(ours.tokenIds).toEqual(theirs.tokenIds);
    expect(ours.trace.layers).toEqual(theirs.trace.layers);
    expect(ours.trace.bytes.afterEviction).toBe(theirs.trace.bytes.afterEviction);
    expect(ours.trace.bytes.peak).toBeLessThan(theirs.trace.bytes.peak);
  });

  it.each(policyNames)('%s at ratio 1 is the full cache, bit for bit', async (name) => {
    const full = await engine.generate(request(prompt, { wantFirstLogits: true }));
    const all = await engine.generate(request(prompt, { policy: createPolicy(name), wantFirstLogits: true }));
    expect(all.firstLogits).toEqual(full.firstLogits);
    expect(all.tokenIds).toEqual(full.tokenIds);
  });

  it('changes the first answer token’s logits when it is replayed, and not in plain mode', async () => {
    const full = await engine.generate(request(prompt, { wantFirstLogits: true }));
    const ask = (protocol: 'replay' | 'plain'): Partial<GenerationRequest> => ({
      policy: createPolicy('random'),
      cacheRatio: 0.3,
      protocol,
      wantFirstLogits: true,
    });
    const replay = await engine.generate(request(prompt, ask('replay')));
    const plain = await engine.generate(request(prompt, ask('plain')));
    const expected = full.firstLogits ?? new Float32Array(0);
    expect(relativeError(plain.firstLogits ?? new Float32Array(0), expected)).toBeLessThan(1e-5);
    expect(relativeError(replay.firstLogits ?? new Float32Array(0), expected)).toBeGreaterThan(1e-3);
  });

  it('keeps the question up to its cap', async () => {
    const policy = createPolicy('madakv', { questionCap: 0.5 });
    const { trace } = await engine.generate(request(prompt, { policy, cacheRatio: 0.4 }));
    const question = Array.from(
      { length: prompt.question.end - 1 - prompt.question.start },
      (_, i) => prompt.question.start + i,
    );
    for (const layer of trace.layers) {
      for (const head of layer.positions) expect([...decodePositions(head)]).toEqual(expect.arrayContaining(question));
    }
  });

  it('says what share of the observed attention eviction left, where a policy observes what is asked', async () => {
    const heads = engine.model.config.decoder.kvHeads;
    for (const [name, cacheRatio] of [
      ['madakv', 0.2],
      ['madakv', 0.8],
      ['snapkv', 0.2],
    ] as const) {
      const { trace } = await engine.generate(request(prompt, { policy: createPolicy(name), cacheRatio }));
      for (const { attentionKept = [] } of trace.layers) {
        expect(attentionKept).toHaveLength(heads);
        for (const share of attentionKept) {
          expect(share).toBeGreaterThan(0);
          expect(share).toBeLessThanOrEqual(1);
          expect(share).toBe(Number(share.toFixed(4)));
        }
      }
    }
    const all = await engine.generate(request(prompt, { policy: createPolicy('madakv'), cacheRatio: 1 }));
    expect(all.trace.layers.flatMap(({ attentionKept = [0] }) => attentionKept).every((share) => share === 1)).toBe(
      true,
    );
    for (const name of ['full', 'h2o', 'streaming-llm']) {
      const cacheRatio = name === 'full' ? 1 : 0.4;
      const { trace } = await engine.generate(request(prompt, { policy: createPolicy(name), cacheRatio }));
      for (const layer of trace.layers) expect(layer).not.toHaveProperty('attentionKept');
    }
  });

  it('refuses a share that is too small, with the numbers', async () => {
    const ask = request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.001 });
    await expect(engine.generate(ask)).rejects.toThrow(/\d/);
    expect(engine.kvBytes).toBe(0);
  });
});

describe('memory', () => {
  it('peaks at one full layer plus the budget, and keeps what the trace says', async () => {
    const { layers } = engine.model.config.decoder;
    const ratio = 0.3;
    for (const name of ['madakv', 'madakv-paper', 'snapkv']) {
      const { trace } = await engine.generate(
        request(prompt, { policy: createPolicy(name), cacheRatio: ratio, maxTokens: 1, protocol: 'plain' }),
      );
      const tokens = prompt.inputIds.length;
      const layerBytes = (engine.kvBytesPerToken / layers) * tokens;
      const kept = trace.layers.reduce((sum, layer) => sum + layer.rows, 0);
      expect(trace.bytes.full).toBe(layerBytes * layers);
      expect(trace.bytes.afterEviction).toBe((kept * engine.kvBytesPerToken) / layers);
      const formula = layerBytes + ratio * layerBytes * layers;
      expect(Math.abs(trace.bytes.peak - formula) / formula).toBeLessThan(0.05);
    }
  });

  it('stays flat over 200 requests', async () => {
    const ask = request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.3, maxTokens: 2 });
    const rss: number[] = [];
    for (let i = 0; i < 200; i++) {
      await engine.generate(ask);
      // What waits to be collected is not what is held.
      if (i % 50 === 49) {
        collectGarbage();
        rss.push(process.memoryUsage.rss());
      }
    }
    expect(engine.kvBytes).toBe(0);
    expect(rss[3] - rss[0]).toBeLessThan(32 * 2 ** 20);
  });
});

describe('batching', () => {
  it('gives every sequence the answer it gives alone, whoever joins and leaves', async () => {
    const short = await engine.model.prepare(fixture('qwen-plain text').messages, fixture('qwen-plain text').images);
    const asks = Array.from({ length: 11 }, (_, i) =>
      request(i % 3 === 0 ? short : prompt, {
        policy: createPolicy(reducing[i % reducing.length]),
        cacheRatio: 0.3 + 0.06 * i,
        maxTokens: 3 + 5 * (i % 4),
        sampling: i % 2 === 0 ? {} : { temperature: 0.8, seed: i },
        wantFirstLogits: true,
      }),
    );
    const alone: GenerationResult[] = [];
    for (const ask of asks) alone.push(await engine.generate(ask));
    const together = await Promise.all(asks.map((ask) => engine.generate(ask)));
    together.forEach((result, i) => {
      expect(result.tokenIds).toEqual(alone[i].tokenIds);
      const expected = alone[i].firstLogits ?? new Float32Array(0);
      expect(relativeError(result.firstLogits ?? new Float32Array(0), expected)).toBeLessThan(1e-5);
    });
    expect(engine.kvBytes).toBe(0);
  });
});

describe('cancellation', () => {
  it('takes effect within a chunk of prefill and frees the cache', async () => {
    const controller = new AbortController();
    let chunks = 0;
    const answer = engine.generate(request(prompt), {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'prefill' && ++chunks === 2) controller.abort(new Error('enough'));
      },
    });
    await expect(answer).rejects.toThrow('enough');
    expect(chunks).toBe(2);
    expect(engine.kvBytes).toBe(0);
  });

  it('takes effect within a step of decoding and leaves others alone', async () => {
    const expected = await engine.generate(request(prompt, { maxTokens: 20 }));
    const controller = new AbortController();
    let tokens = 0;
    const cancelled = engine.generate(request(prompt, { maxTokens: 500 }), {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'token' && ++tokens === 5) controller.abort(new Error('enough'));
      },
    });
    const other = engine.generate(request(prompt, { maxTokens: 20 }));
    await expect(cancelled).rejects.toThrow('enough');
    expect(tokens).toBe(5);
    expect((await other).tokenIds).toEqual(expected.tokenIds);
    expect(engine.kvBytes).toBe(0);
  });

  it('reaches requests that wait, and one that is aborted from the start', async () => {
    const reason = new Error('too late');
    await expect(engine.generate(request(prompt), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('answers', () => {
  it('end at max tokens, at a stop string, and at an end-of-answer id', async () => {
    const whole = await engine.generate(request(prompt, { maxTokens: 10 }));
    expect(whole.finishReason).toBe('length');
    expect(whole.usage).toEqual({ promptTokens: prompt.inputIds.length, completionTokens: 10, cachedTokens: 0 });

    const stopId = whole.tokenIds[4];
    const first = whole.tokenIds.indexOf(stopId);
    const byId = await engine.generate(request(prompt, { stopIds: [stopId] }));
    expect(byId.finishReason).toBe('stop');
    expect(byId.tokenIds).toEqual(whole.tokenIds.slice(0, first));

    const stop = whole.text.slice(3, 5);
    const byText = await engine.generate(request(prompt, { stop: [stop] }));
    expect(byText.finishReason).toBe('stop');
    expect(byText.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
  });

  it('stream the text that the result holds', async () => {
    let streamed = '';
    const result = await engine.generate(request(prompt, { maxTokens: 25 }), {
      onEvent: (event) => {
        if (event.kind === 'token') streamed += event.token.text;
        if (event.kind === 'trailing') streamed += event.text;
      },
    });
    expect(streamed).toBe(result.text);
    expect(result.text).toBe(engine.model.tokenizer.decode(result.tokenIds));
  });

  it.each(['replay', 'plain'] as const)(
    'tell when each stage began and ended, with the %s protocol',
    async (protocol) => {
      const events: GenerationEvent[] = [];
      const before = performance.timeOrigin + performance.now();
      const { times, trace } = await engine.generate(request(prompt, { maxTokens: 3, protocol }), {
        onEvent: (event) => events.push(event),
      });
      const layers = events.flatMap((event) => (event.kind === 'layer' ? [event] : []));
      expect(layers.map(({ layer }) => layer)).toEqual(trace.layers.map(({ layer }) => layer));
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
      expect(ascending).toEqual([...ascending].sort((a, b) => a - b));
      const kinds = events.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1]);
      const perLayer = trace.layers.flatMap(() => ['prefill', 'layer']);
      expect(kinds).toEqual(['started', ...perLayer, 'evicted', 'token']);
      const evicted = events.find((event) => event.kind === 'evicted');
      expect(evicted).toMatchObject({ atMs: times.prefillEnded, bytes: trace.bytes.afterEviction });
      expect(evicted?.maxBytes).toBe(trace.bytes.final);
    },
  );

  it('begin in the order of their ranks, of one rank as they came', async () => {
    const begun: string[] = [];
    const ask = (name: string, rank: number): Promise<GenerationResult> =>
      engine.generate(request(prompt, { maxTokens: 2, rank }), {
        onEvent: ({ kind }) => {
          if (kind === 'started') begun.push(name);
        },
      });
    await Promise.all([ask('line 7', 7), ask('line 3', 3), ask('chat', 0), ask('line 3 too', 3)]);
    expect(begun).toEqual(['chat', 'line 3', 'line 3 too', 'line 7']);
  });

  it('report log-probabilities on request', async () => {
    const { tokens } = await engine.generate(request(prompt, { topLogprobs: 3, maxTokens: 2 }));
    expect(tokens).toHaveLength(2);
    for (const { id, logprobs } of tokens) {
      expect(logprobs?.top).toHaveLength(3);
      expect(logprobs?.top[0]).toEqual({ id, logprob: logprobs?.chosen.logprob });
    }
  });

  it('refuse what the model cannot hold, naming the limit', async () => {
    const { maxPositions } = engine.model.config.decoder;
    await expect(engine.generate(request(prompt, { maxTokens: maxPositions }))).rejects.toThrow(String(maxPositions));
    await expect(engine.generate(request(prompt, { cacheRatio: 0 }))).rejects.toThrow('(0, 1]');
    await expect(engine.generate(request(prompt, { sampling: { temperature: 9 } }))).rejects.toThrow('between 0 and 2');
    expect(engine.kvBytes).toBe(0);
  });

  it('are not disturbed by a neighbour whose listener throws', async () => {
    const alone = await engine.generate(request(prompt));
    const failing = engine.generate(request(prompt), {
      onEvent: (event) => {
        if (event.kind === 'token') throw new Error('hung up');
      },
    });
    const other = engine.generate(request(prompt));
    await expect(failing).rejects.toThrow('hung up');
    expect((await other).tokenIds).toEqual(alone.tokenIds);
    expect(engine.kvBytes).toBe(0);
  });
});

describe('precisions', () => {
  const provider = cpuProvider(1);

  it.each(precisionCases)('$name stays near full precision', async ({ options, tolerance }) => {
    const rounded = await loadEngine(pages.checkpoint, cacheDir, options, provider);
    expect(await firstLogitsError(rounded, engine, pages)).toBeLessThan(tolerance);
  });

  it.each(precisionCases.slice(1))('$name does round', async ({ options }) => {
    const rounded = await loadEngine(pages.checkpoint, cacheDir, options, provider);
    expect(await firstLogitsError(rounded, engine, pages)).toBeGreaterThan(1e-4);
  });

  it.each(precisionCases.filter(({ usesIntegerProducts }) => usesIntegerProducts))(
    '$name answers alike with the codes of processors without int8 instructions',
    async ({ options }) => {
      const usual = await loadEngine(pages.checkpoint, cacheDir, options, provider);
      const integerCodes = (): Promise<CodeType> => Promise.resolve('uint8');
      const others = await loadEngine(pages.checkpoint, cacheDir, options, { ...provider, integerCodes });
      const ask = request(prompt, { wantFirstLogits: true, policy: createPolicy('madakv'), cacheRatio: 0.5 });
      const [ours, theirs] = [await usual.generate(ask), await others.generate(ask)];
      const expected = ours.firstLogits ?? new Float32Array(0);
      expect(relativeError(theirs.firstLogits ?? new Float32Array(0), expected)).toBeLessThan(1e-5);
      expect(theirs.tokenIds).toEqual(ours.tokenIds);
    },
  );
});

describe('an int8 cache', () => {
  it('takes a quarter of the memory and answers nearly alike', async () => {
    const small = await loadEngine(pages.checkpoint, cacheDir, { kvPrecision: 'int8' });
    const ask = request(prompt, {
      wantFirstLogits: true,
      maxTokens: 80,
      policy: createPolicy('madakv'),
      cacheRatio: 0.5,
    });
    const exact = await engine.generate(ask);
    const rounded = await small.generate(ask);
    const error = relativeError(rounded.firstLogits ?? new Float32Array(0), exact.firstLogits ?? new Float32Array(0));
    expect(error).toBeLessThan(0.05);
    expect(error).toBeGreaterThan(0);
    expect(rounded.tokenIds).toHaveLength(80);
    const { headDim } = engine.model.config.decoder;
    expect(rounded.trace.bytes.afterEviction / exact.trace.bytes.afterEviction).toBeCloseTo(
      (headDim + 4) / (4 * headDim),
    );
    expect(small.kvBytes).toBe(0);
  });
});
