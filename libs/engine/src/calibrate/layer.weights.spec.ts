import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layerWeights, WEIGHT_RULE } from './layer.weights.js';

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('layerWeights', () => {
  it('has mean 1 and stays within its bounds, whatever was measured', () => {
    const divergence = fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 1e-12, noNaN: true }),
      fc.double({ min: 0, max: 50, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(divergence, { minLength: 1, maxLength: 64 }), (divergences) => {
        const weights = layerWeights(divergences);
        expect(weights).toHaveLength(divergences.length);
        expect(mean(weights)).toBeCloseTo(1, 9);
        for (const weight of weights) {
          expect(weight).toBeGreaterThanOrEqual(WEIGHT_RULE.least - 1e-6);
          expect(weight).toBeLessThanOrEqual(WEIGHT_RULE.most + 1e-6);
        }
      }),
    );
  });

  it('gives equal layers equal weights, also when nothing was lost', () => {
    expect(layerWeights([0, 0, 0])).toEqual([1, 1, 1]);
    for (const weight of layerWeights([0.3, 0.3, 0.3])) expect(weight).toBeCloseTo(1);
    expect(layerWeights([2])[0]).toBeCloseTo(1);
  });

  it('takes the root, then half of a layer and a quarter of each neighbour', () => {
    // Roots 1, 2, 1, 2; smoothed 1.25, 1.5, 1.5, 1.75; mean 1.5.
    const weights = layerWeights([1, 4, 1, 4]);
    [1.25, 1.5, 1.5, 1.75].forEach((value, layer) => {
      expect(weights[layer]).toBeCloseTo(value / 1.5);
    });
  });

  it('follows late layers, and starves none of the early ones', () => {
    const weights = layerWeights([0, 0, 0, 0, 0, 9, 9, 9]);
    expect(weights.slice(0, 4)).toEqual(weights.slice(0, 4).map(() => expect.closeTo(0.25) as number));
    expect(weights[7]).toBeGreaterThan(1.5);
  });
});
