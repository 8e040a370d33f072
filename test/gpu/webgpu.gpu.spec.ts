import {
  Engine,
  modelPrecision,
  type EngineOptions,
  type GenerationRequest,
  type GenerationResult,
  type HalfOrFull,
} from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import { openModel, type PreparedPrompt } from '@madakv/models';
import { cpuProvider, cudaProvider, type ExecutionProvider } from '@madakv/onnx';
import { generationSettings, grantedRatio, planGeneration } from '@madakv/requests';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fixture, relativeError, request, temporaryCache } from '../conformance/engine.fixture.js';
import { findWebgpu, TensorWatch } from './device.fixture.js';

/** Of the largest logit; the device's arithmetic is in an order of its own. */
const LOGIT_TOLERANCE = { fp32: 1e-3, fp16: 4e-3 } as const;
const NONE = new Float32Array(0);

const { provider, half } = await findWebgpu();
const precisions: HalfOrFull[] = half ? ['fp32', 'fp16'] : ['fp32'];
const cacheDir = temporaryCache();

async function load(
  checkpoint: string,
  on: ExecutionProvider | undefined,
  asked: HalfOrFull,
  { precision = { kind: 'fp32' }, ...options }: Partial<EngineOptions> = {},
): Promise<Engine> {
  if (on === undefined) throw new Error('no provider');
  const engine = await Engine.load(openModel(checkpoint), on, {
    ...(await modelPrecision(asked, on, precision, 'fp32')),
    cacheDir,
    // Chunks that divide no prompt's length put chunk borders into images as well as text.
    chunkTokens: 37,
    ...options,
  });
  afterAll(() => engine.close());
  return engine;
}

describe.skipIf(provider === undefined).each(precisions)('on WebGPU in %s', (asked) => {
  it.each([
    'qwen-plain one-image',
    'qwen-plain three-images',
    'llava-plain one-image',
    'qwen-bf16-sharded text',
    'qwen-awq text',
    'qwen-gptq text',
    'qwen2-vl-plain one-image',
    'qwen3-vl-plain three-images',
    'qwen3-plain turns',
  ])('answers %s like the reference', async (name) => {
    const reference = fixture(name);
    const engine = await load(reference.checkpoint, provider, asked);
    const prompt = await engine.model.prepare(reference.messages, reference.images);
    const { tokens } = reference.expected.greedy;
    for (const protocol of ['plain', 'replay'] as const) {
      const changes = { protocol, maxTokens: tokens.length, wantFirstLogits: true };
      const result = await engine.generate(request(prompt, changes));
      expect(relativeError(result.firstLogits ?? NONE, reference.float('last_logits'))).toBeLessThan(
        LOGIT_TOLERANCE[asked],
      );
      expect(result.tokenIds).toEqual(tokens);
    }
  });

  it.each([8, 4] as const)('computes with %d-bit weights what the CPU does', async (bits) => {
    const pages = fixture('qwen-plain text');
    const precision = { kind: 'int', bits, blockSize: 32 } as const;
    const [ours, theirs] = await Promise.all(
      [provider, cpuProvider(1)].map(async (on) => {
        const engine = await load(pages.checkpoint, on, on === provider ? asked : 'fp32', { precision });
        const prompt = await engine.model.prepare(pages.messages, pages.images);
        return engine.generate(request(prompt, { maxTokens: 1, wantFirstLogits: true }));
      }),
    );
    expect(relativeError(ours.firstLogits ?? NONE, theirs.firstLogits ?? NONE)).toBeLessThan(0.05);
  });
});

describe.skipIf(provider === undefined).each(precisions)('the cache on WebGPU in %s', (asked) => {
  const watch = new TensorWatch();
  const pages = fixture('qwen-plain three-images');
  let device: Engine;
  let cpu: Engine;
  let prompt: PreparedPrompt;
  beforeAll(async () => {
    device = await load(pages.checkpoint, provider && watch.watch(provider), asked);
    cpu = await load(pages.checkpoint, cpuProvider(1), 'fp32');
    prompt = await device.model.prepare(pages.messages, pages.images);
  });
  beforeEach(() => {
    watch.reset();
  });

  it.each(['madakv', 'madakv-paper', 'snapkv', 'h2o', 'look-m', 'streaming-llm'])(
    'keeps the same positions under %s as on the CPU, in as many bytes',
    async (name) => {
      const ask = request(prompt, { policy: createPolicy(name), cacheRatio: 0.4, maxTokens: 4, wantFirstLogits: true });
      const ours = await device.generate(ask);
      const theirs = await cpu.generate(ask);
      expect(ours.trace.layers.map(({ positions }) => positions)).toEqual(
        theirs.trace.layers.map(({ positions }) => positions),
      );
      expect(ours.trace.bytes.afterEviction).toBe(theirs.trace.bytes.afterEviction / (asked === 'fp16' ? 2 : 1));
      expect(ours.trace.bytes.full).toBe(theirs.trace.bytes.full / (asked === 'fp16' ? 2 : 1));
      expect(relativeError(ours.firstLogits ?? NONE, theirs.firstLogits ?? NONE)).toBeLessThan(LOGIT_TOLERANCE[asked]);
      expect(ours.tokenIds).toEqual(theirs.tokenIds);
      expect(watch.live).toBe(0);
    },
  );

  it.each([1, 70])('stays within its lease for an answer of %i tokens', async (maxTokens) => {
    const settings = generationSettings({ max_tokens: maxTokens }, { cacheRatio: 0.4 });
    const model = { decoder: device.model.config.decoder, kv: device.kvGeometry };
    const plan = planGeneration(prompt, settings, model);
    const { need } = plan;
    let most = 0;
    const { trace } = await device.generate(
      request(prompt, {
        policy: createPolicy('madakv'),
        cacheRatio: grantedRatio(need.minBytes, plan),
        maxTokens,
      }),
      {
        onEvent: (event) => {
          if (event.kind === 'evicted') most = event.maxBytes;
        },
      },
    );
    expect(trace.bytes.peak).toBeLessThanOrEqual(need.minBytes + need.peakBytes - need.targetBytes);
    expect(trace.bytes.final).toBeLessThanOrEqual(most);
  });

  it('stays on the device from the first chunk to the last token, and is counted to the byte', async () => {
    const counted: number[] = [];
    const live: number[] = [];
    await device.generate(request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.4, maxTokens: 5 }), {
      onEvent: (event) => {
        if (event.kind !== 'token') return;
        counted.push(device.kvBytes);
        live.push(watch.liveBytes);
      },
    });
    expect(live).toEqual(counted);
    expect(counted).toHaveLength(5);
    // Room for more tokens is made at once, and these are written into it.
    expect(new Set(counted).size).toBe(1);
    const cache = ['from_keys', 'from_values', 'keys', 'values'];
    expect([...watch.fed.device]).toEqual(expect.arrayContaining([...cache, 'q', 'k', 'v', 'attn', 'x']));
    for (const name of [...cache, 'q', 'k', 'v', 'attn']) expect([...watch.fed.host]).not.toContain(name);
    const readBack = new Set(watch.readBack.map(({ name }) => name));
    expect([...readBack].sort()).toEqual(expect.arrayContaining(['likeliest', 'read']));
    for (const name of readBack) expect(['features', 'likeliest', 'read']).toContain(name);
    expect(watch.made).toBeGreaterThan(0);
    expect(watch.live).toBe(0);
    expect(device.kvBytes).toBe(0);
  });

  it('is grown while an answer grows long', async () => {
    const ask = request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.4, maxTokens: 70 });
    expect((await device.generate(ask)).tokenIds).toEqual((await cpu.generate(ask)).tokenIds);
    expect(watch.live).toBe(0);
  });

  it('of each sequence is its own when several decode together', async () => {
    const asks = [0.4, 0.6, 1].map((cacheRatio, i) =>
      request(prompt, { policy: createPolicy('madakv'), cacheRatio, maxTokens: 4 + 2 * i }),
    );
    const together = await Promise.all(asks.map((ask) => device.generate(ask)));
    for (const [i, ask] of asks.entries()) expect(together[i].tokenIds).toEqual((await cpu.generate(ask)).tokenIds);
    expect(watch.live).toBe(0);
  });

  describe('of prompts that begin alike', () => {
    const asks = async (): Promise<GenerationRequest[]> => {
      const parts = pages.images.map(() => ({ type: 'image_url' as const, image_url: { url: '' } }));
      const questions = [
        'What is the total of all of these pages, and who has paid it?',
        'And the date?',
        'Who?',
        'Who?',
      ];
      const prompts = await Promise.all(
        questions.map((text) =>
          device.model.prepare([{ role: 'user', content: [...parts, { type: 'text', text }] }], pages.images),
        ),
      );
      const names = ['madakv', 'h2o', 'snapkv', 'full'];
      return prompts.map((each, i) =>
        request(each, {
          policy: createPolicy(names[i]),
          cacheRatio: names[i] === 'full' ? 1 : 0.4,
          protocol: i === 1 ? 'plain' : 'replay',
          maxTokens: 4,
          wantFirstLogits: true,
        }),
      );
    };

    it('is kept as on the CPU when they are read together', async () => {
      const requests = await asks();
      const ours = await Promise.all(requests.map((ask) => device.generate(ask)));
      expect(ours.map(({ trace }) => trace.sharing.requests)).toEqual([4, 4, 4, 4]);
      for (const [i, ask] of requests.entries()) {
        const theirs = await cpu.generate(ask);
        const positions = ({ trace }: GenerationResult) => trace.layers.map((layer) => layer.positions);
        expect(positions(ours[i])).toEqual(positions(theirs));
        expect(relativeError(ours[i].firstLogits ?? NONE, theirs.firstLogits ?? NONE)).toBeLessThan(
          LOGIT_TOLERANCE[asked],
        );
        expect(ours[i].tokenIds).toEqual(theirs.tokenIds);
      }
      expect(watch.live).toBe(0);
      expect(device.kvBytes).toBe(0);
    });

    it.each([12, 20, 31])('is freed when run %d fails', async (runs) => {
      const requests = await asks();
      watch.runsUntilFailure = runs;
      const results = await Promise.allSettled(requests.map((ask) => device.generate(ask)));
      expect(results.map(({ status }) => status)).toEqual(requests.map(() => 'rejected'));
      expect(watch.live).toBe(0);
      expect(device.kvBytes).toBe(0);
    });
  });

  it.each(['prefill', 'token'] as const)('is freed when a request is cancelled at its second %s', async (kind) => {
    const controller = new AbortController();
    let seen = 0;
    const answer = device.generate(request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.4 }), {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === kind && ++seen === 2) controller.abort(new Error('enough'));
      },
    });
    await expect(answer).rejects.toThrow('enough');
    expect(watch.live).toBe(0);
    expect(device.kvBytes).toBe(0);
  });

  it.each([3, 8, 15, 20, 24])('is freed when run %d fails', async (runs) => {
    watch.runsUntilFailure = runs;
    const ask = request(prompt, { policy: createPolicy('h2o'), cacheRatio: 0.4 });
    await expect(device.generate(ask)).rejects.toThrow('the device is lost');
    expect(watch.live).toBe(0);
    expect(device.kvBytes).toBe(0);
  });
});

describe('a provider that this machine lacks', () => {
  it('says what to install for CUDA', async () => {
    await expect(cudaProvider()).rejects.toThrow(/cuda: .*CUDA 12 and cuDNN 9.*ONNXRUNTIME_NODE_INSTALL=cuda12 node/);
  });
});
