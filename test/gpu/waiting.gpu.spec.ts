import { Engine, modelPrecision, type GenerationRequest } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import { openModel, type PreparedPrompt } from '@madakv/models';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fixture, request, temporaryCache } from '../conformance/engine.fixture.js';
import { findWebgpu, TensorWatch } from './device.fixture.js';

const { provider } = await findWebgpu();
const cacheDir = temporaryCache();

/** Runs are queued and nobody waits for them; what is read back waits for all that were queued before. */
describe.skipIf(provider === undefined)('nobody waits for the device', () => {
  const pages = fixture('qwen-plain three-images');
  const watch = new TensorWatch();
  let engine: Engine;
  let prompt: PreparedPrompt;
  beforeAll(async () => {
    if (provider === undefined) return;
    engine = await Engine.load(openModel(pages.checkpoint), watch.watch(provider), {
      ...(await modelPrecision(undefined, provider, { kind: 'fp32' }, 'fp32')),
      cacheDir,
      chunkTokens: 16,
    });
    prompt = await engine.model.prepare(pages.messages, pages.images);
    // Features are kept from now on.
    await engine.generate(request(prompt, { maxTokens: 1 }));
  });
  afterAll(() => engine.close());
  beforeEach(() => {
    watch.reset();
  });

  /** What a request of `maxTokens` reads and sends while it decodes. */
  async function decoding(changes: Partial<GenerationRequest>) {
    let before = { readBack: 0, fedBytes: 0, runs: 0 };
    const now = (): typeof before => ({ readBack: watch.readBack.length, fedBytes: watch.fedBytes, runs: watch.runs });
    const ask = request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.5, maxTokens: 9, ...changes });
    await engine.generate(ask, {
      onEvent: (event) => {
        if (event.kind === 'evicted') before = now();
      },
    });
    const after = now();
    return {
      readBack: watch.readBack.slice(before.readBack),
      fedBytes: after.fedBytes - before.fedBytes,
      runs: after.runs - before.runs,
    };
  }

  it('but for the likeliest token, once a token, in a few bytes', async () => {
    const { layers, hiddenSize, headDim, vocabSize } = engine.model.config.decoder;
    const { readBack, fedBytes, runs } = await decoding({});
    expect(readBack.map(({ name }) => name)).toEqual(Array.from({ length: 9 }, () => 'likeliest'));
    // The largest and its place in each block of about the root of the vocabulary.
    for (const { bytes } of readBack) expect(bytes).toBeLessThanOrEqual(8 * 2 * Math.sqrt(2 * vocabSize));
    // A stage and an attention a layer, the last stage, the choice; a cache grows once, and room for attention is made once.
    expect(runs).toBeLessThanOrEqual(9 * (2 * layers + 2) + layers + 1);
    // The token's embedding, for both halves of the first layer, its rotary angles for each layer, and a few numbers.
    expect(fedBytes).toBeLessThanOrEqual(9 * 4 * (2 * hiddenSize + layers * (headDim + 8)));
  });

  it('but for the logits where a token is drawn from them, once a token', async () => {
    const { vocabSize } = engine.model.config.decoder;
    const { readBack } = await decoding({ sampling: { temperature: 1, seed: 3 } });
    expect(readBack).toEqual(Array.from({ length: 9 }, () => ({ name: 'read', bytes: 4 * vocabSize })));
  });

  it('but for the scores, once a layer, however many chunks pass it', async () => {
    const { layers } = engine.model.config.decoder;
    const chunks = Math.ceil((prompt.inputIds.length - 1) / 16);
    expect(chunks).toBeGreaterThan(3);
    await engine.generate(request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.5, maxTokens: 1 }));
    const names = watch.readBack.map(({ name }) => name);
    expect(names).toEqual([...Array.from({ length: layers }, () => 'read'), 'likeliest']);
  });

  it('and what is chosen on the device is what would be chosen from the logits', async () => {
    const ask = { policy: createPolicy('madakv'), cacheRatio: 0.5, maxTokens: 9 };
    const chosen = await engine.generate(request(prompt, ask));
    const read = await engine.generate(request(prompt, { ...ask, topLogprobs: 1 }));
    expect(chosen.tokenIds).toEqual(read.tokenIds);
    expect(chosen.tokenIds).toHaveLength(9);
  });
});
