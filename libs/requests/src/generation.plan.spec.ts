import type { KvGeometry } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { planGeneration, requestLayout, settleRatios, smallestRatio } from './generation.plan.js';
import { generationSettings, type RequestParameters } from './generation.settings.js';
import { grantedRatio } from './memory.need.js';

const kv: KvGeometry = { layers: 4, kvHeads: 2, headDim: 8, precision: 'fp32', onDevice: false };
const model = { decoder: { layers: 4, kvHeads: 2, maxPositions: 1_000 }, kv };
const ROW = 2 * 2 * 8 * 4;

/** Half an image, half text, of which the last five tokens are the question. */
function prompt(tokens: number): PreparedPrompt {
  const visual = Math.floor(tokens / 2);
  const grid = { frames: 1, rows: 1, cols: visual };
  return {
    text: '',
    inputIds: new Int32Array(tokens),
    textBytesPerToken: 1,
    images: [],
    segments: [
      { start: 0, end: visual, modality: 'visual', image: 0, grid },
      { start: visual, end: tokens, modality: 'text' },
    ],
    question: { start: tokens - 5, end: tokens },
    axes: 1,
    positions: Int32Array.from({ length: tokens }, (_, i) => i),
    nextPosition: tokens,
  };
}

const plan = (parameters: RequestParameters, tokens = 100) =>
  planGeneration(prompt(tokens), generationSettings(parameters), model);

describe('planGeneration', () => {
  it('says what a request needs', () => {
    const { cacheRatio, minCacheRatio, need, promptTokens } = plan({ max_tokens: 1 });
    expect({ cacheRatio, minCacheRatio, promptTokens }).toEqual({
      cacheRatio: 0.2,
      minCacheRatio: 0.1,
      promptTokens: { text: 50, visual: 50 },
    });
    const full = 100 * 4 * ROW;
    // One layer in full is more than a tail of one token.
    expect(need).toEqual({
      fullBytes: full,
      targetBytes: full / 5,
      minBytes: full / 10,
      peakBytes: full / 5 + 100 * ROW,
    });
  });

  it('counts a long answer into the peak', () => {
    const { need } = plan({ max_tokens: 130 });
    const [tails, fold] = [4 * 128 * ROW, (80 + 128) * ROW];
    expect(need.peakBytes).toBe(need.targetBytes + tails + fold);
  });

  it('takes the least ratio from the request, never below what the policy can do with', () => {
    expect(plan({ madakv: { cache_ratio: 0.5, min_cache_ratio: 0.3 } }).minCacheRatio).toBe(0.3);
    expect(plan({ madakv: { cache_ratio: 0.5 } }).minCacheRatio).toBe(0.25);
    // A held-back token and one of each modality.
    expect(plan({ madakv: { cache_ratio: 0.5, min_cache_ratio: 0.001 } }).minCacheRatio).toBe(0.03);
    expect(plan({ madakv: { policy: 'full' } })).toMatchObject({ cacheRatio: 1, minCacheRatio: 1 });
  });

  it('lets a default ratio give way to a short prompt', () => {
    expect(plan({}, 12)).toMatchObject({ cacheRatio: 0.25, minCacheRatio: 0.25 });
  });

  it.each<[RequestParameters, object]>([
    [
      { madakv: { cache_ratio: 0.02 } },
      {
        code: 'cache_ratio_too_small',
        param: 'madakv.cache_ratio',
        message:
          'cache ratio 0.02 is too small: it keeps 2 of 100 prompt tokens a head and layer, ' +
          'and madakv needs 3; use 0.03 or more',
      },
    ],
    [{ madakv: { policy: 'full', cache_ratio: 0.9 } }, { code: 'cache_ratio_too_small', message: /use 1 or more/ }],
    [
      { max_tokens: 901 },
      {
        code: 'context_length_exceeded',
        param: 'messages',
        message: /prompt of 100 tokens.*901 answer tokens.*1000 positions by 1$/,
      },
    ],
    [{ madakv: { policy: 'fastest' } }, { code: 'invalid_request', param: 'madakv.policy', message: /known: madakv/ }],
    [
      { madakv: { options: { theta: 2 } } },
      { code: 'invalid_request', param: 'madakv.options', message: /option theta must be/ },
    ],
    [
      { madakv: { options: { profile: { layers: [1, 2] } } } },
      { code: 'invalid_request', param: 'madakv.options', message: /4 weights, one a layer/ },
    ],
  ])('refuses %j', (parameters, { message, ...expected }: { message?: string | RegExp }) => {
    const work = (): unknown => plan(parameters);
    expect(work).toThrow(expect.objectContaining({ name: 'MadakvError', httpStatus: 400, ...expected }));
    expect(work).toThrow(message);
  });

  it('takes an answer that ends at the last position', () => {
    expect(plan({ max_tokens: 900 }).cacheRatio).toBe(0.2);
  });
});

describe('ratios', () => {
  it('smallestRatio always suffices, and no smaller one does', () => {
    for (let tokens = 1; tokens <= 300; tokens++) {
      for (let needed = 1; needed <= tokens; needed++) {
        const ratio = smallestRatio(needed, tokens);
        expect(ratio * tokens).toBeGreaterThanOrEqual(needed);
        expect(((Math.round(ratio * 10_000) - 1) / 10_000) * tokens).toBeLessThan(needed);
      }
    }
  });

  it('a grant of any size between least and target starts the policy and fits', () => {
    const policy = createPolicy('madakv');
    for (const tokens of [9, 57, 100, 333]) {
      const layout = requestLayout(prompt(tokens), { protocol: 'replay' });
      const ratios = settleRatios(policy, layout, { cacheRatio: 0.57, ratioRequested: true, minCacheRatio: 0.001 });
      const settings = generationSettings({ madakv: { cache_ratio: 0.57, min_cache_ratio: 0.001 } });
      const { need } = planGeneration(prompt(tokens), settings, model);
      for (let i = 0; i <= 10; i++) {
        const granted = need.minBytes + Math.floor(((need.targetBytes - need.minBytes) * i) / 10);
        const ratio = grantedRatio(granted, { need, ...ratios });
        const selector = policy.start(layout, { layers: 4, heads: 2 }, { tokensPerHead: ratio * tokens });
        const importance = new Float32Array(2 * tokens).fill(1);
        const rows = [0, 1, 2, 3].reduce((sum, layer) => sum + selector.select(layer, importance).rows, 0);
        expect(rows * ROW).toBeLessThanOrEqual(granted);
      }
      expect(grantedRatio(need.targetBytes, { need, ...ratios })).toBe(0.57);
      expect(grantedRatio(need.peakBytes, { need, ...ratios })).toBe(0.57);
    }
  });
});
