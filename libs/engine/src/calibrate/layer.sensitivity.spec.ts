import { describe, expect, it } from 'vitest';
import { GrantTooSmallError, type LayerSelection, type PromptLayout } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import type { GenerationRequest, GenerationResult } from '../generation.js';
import { traceLayers } from '../trace/cache.trace.js';
import { requestSensitivity, type Generator } from './layer.sensitivity.js';
import { oneLayerPolicy, rankingPolicy } from './one.layer.policy.js';
import { meanDivergences, sensitivityFigures } from './sensitivity.figures.js';

const TOKENS = 60;
const MODEL = { layers: 3, heads: 2 };

/** Tokens 0..3 and the last ten are text, the rest is one image of 46 cells. */
const layout: PromptLayout = {
  tokens: TOKENS,
  heldBack: 1,
  modalities: ['text', 'visual'],
  modalityOf: Uint8Array.from({ length: TOKENS }, (_, i) => (i >= 4 && i < 50 ? 1 : 0)),
  grids: [{ start: 4, rows: 2, cols: 23 }],
  question: { start: 55, end: TOKENS },
};

const importance = Float32Array.from({ length: MODEL.heads * TOKENS }, (_, i) => ((i * 7919) % 101) / 101);

function selections(evicted: number | undefined, ratio = 0.2): LayerSelection[] {
  const selector = oneLayerPolicy(rankingPolicy(), ratio, evicted).start(layout, MODEL, { tokensPerHead: TOKENS });
  return Array.from({ length: MODEL.layers }, (_, layer) => selector.select(layer, importance));
}

describe('oneLayerPolicy', () => {
  it('cuts one layer down to its best rows and keeps every row of the others', () => {
    const all = Array.from({ length: TOKENS - 1 }, (_, i) => i);
    const found = selections(1);
    expect(found.map(({ rows }) => rows)).toEqual([59, 11, 59]);
    for (const layer of [0, 2]) {
      expect([...found[layer].kept]).toEqual([...all, ...all]);
      expect([...found[layer].keptByModality]).toEqual([13, 46, 13, 46]);
    }
    const alone = rankingPolicy().start(layout, { layers: 1, heads: 2 }, { tokensPerHead: 0.2 * TOKENS });
    expect(found[1]).toEqual(alone.select(0, importance));
  });

  it('keeps everything without a layer under test, and tells what the ranking saw', () => {
    const found = selections(undefined);
    expect(found.map(({ rows }) => rows)).toEqual([59, 59, 59]);
    expect(found[2].preference).toEqual(selections(2)[2].preference);
  });

  it('refuses a ratio below the floors before anything is read', () => {
    const policy = oneLayerPolicy(rankingPolicy(), 0.001, 1);
    expect(() => policy.start(layout, MODEL, { tokensPerHead: TOKENS })).toThrow(GrantTooSmallError);
  });
});

/** A model whose first token moves by `disturbance[layer]` when that layer is evicted, and whose answer then is wrong. */
function fakeEngine(disturbance: readonly number[]): Generator & { readonly asked: GenerationRequest[] } {
  const asked: GenerationRequest[] = [];
  return {
    asked,
    generate: (request) => {
      asked.push(request);
      const selector = request.policy.start(layout, MODEL, { tokensPerHead: TOKENS });
      const found = Array.from({ length: MODEL.layers }, (_, layer) => selector.select(layer, importance));
      const evicted = found.findIndex(({ rows }) => rows < TOKENS - 1);
      const moved = evicted === -1 ? 0 : disturbance[evicted];
      const result: Partial<GenerationResult> = {
        text: moved > 1 ? ' wrong' : ' right',
        finishReason: 'stop',
        firstLogits: Float32Array.of(1, moved, 0),
        trace: { layers: traceLayers(found, layout, MODEL.heads) } as unknown as GenerationResult['trace'],
      };
      return Promise.resolve(result as GenerationResult);
    },
  };
}

const prompt = { inputIds: new Int32Array(TOKENS) } as PreparedPrompt;

describe('requestSensitivity', () => {
  it('measures each layer against the full cache', async () => {
    const engine = fakeEngine([0, 0.5, 3]);
    const progress: number[] = [];
    const found = await requestSensitivity(
      engine,
      MODEL.layers,
      { prompt, expected: { text: 'right', maxTokens: 2 } },
      { ratio: 0.2, onProgress: (done) => progress.push(done) },
    );
    expect(found.divergences[0]).toBe(0);
    expect(found.divergences[1]).toBeGreaterThan(0);
    expect(found.divergences[2]).toBeGreaterThan(found.divergences[1]);
    expect(found.sameFirst).toEqual([true, true, false]);
    expect(found.correct).toEqual({ full: true, layers: [true, true, false] });
    expect(found.preference).toHaveLength(MODEL.layers);
    expect(progress).toEqual([1, 2, 3, 4]);
    for (const request of engine.asked) {
      expect(request).toMatchObject({ cacheRatio: 1, protocol: 'replay', maxTokens: 2, wantFirstLogits: true });
    }
  });

  it('asks for one token when no answer is expected', async () => {
    const engine = fakeEngine([0, 0, 0]);
    const found = await requestSensitivity(engine, MODEL.layers, { prompt }, { ratio: 0.2 });
    expect(found.correct).toBeUndefined();
    expect(engine.asked.map(({ maxTokens }) => maxTokens)).toEqual([1, 1, 1, 1]);
  });
});

describe('sensitivityFigures', () => {
  it('takes means over the requests, and judges only those with an expected answer', async () => {
    const measure = (disturbance: number[], expected?: string) =>
      requestSensitivity(
        fakeEngine(disturbance),
        MODEL.layers,
        expected === undefined ? { prompt } : { prompt, expected: { text: expected, maxTokens: 2 } },
        { ratio: 0.2 },
      );
    const requests = [await measure([0, 0, 3], 'right'), await measure([0, 2, 3])];
    const figures = sensitivityFigures(requests, [0.5, 1, 1.5]);
    expect(figures.correctFull).toBe(1);
    expect(figures.layers.map(({ correct }) => correct)).toEqual([1, 1, 0]);
    expect(figures.layers.map(({ sameFirst }) => sameFirst)).toEqual([1, 0.5, 0]);
    expect(figures.layers[1].meanDivergence).toBeCloseTo(figures.layers[1].maxDivergence / 2);
    expect(figures.layers.map(({ meanDivergence }) => meanDivergence)).toEqual(meanDivergences(requests));
    expect(figures.layers[0].preference).toHaveLength(MODEL.heads);
  });
});
