import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apportion, shareWithin } from './apportion.js';

const problems = fc
  .array(
    fc.record({
      weight: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1e6, noNaN: true })),
      min: fc.nat(5),
      room: fc.oneof(fc.constant(0), fc.nat(50)),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .chain((parts) => {
    const minima = parts.map(({ min }) => min);
    const maxima = parts.map(({ min, room }) => min + room);
    const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
    return fc
      .integer({ min: sum(minima), max: sum(maxima) })
      .map((total) => ({ total, weights: parts.map(({ weight }) => weight), minima, maxima }));
  });

describe('apportion (7, 8)', () => {
  it('follows the weights, largest remainder first', () => {
    expect([...apportion(10, [1, 2, 7], [0, 0, 0], [99, 99, 99])]).toEqual([1, 2, 7]);
    expect([...apportion(10, [1, 1, 1], [0, 0, 0], [99, 99, 99])]).toEqual([4, 3, 3]);
    expect([...apportion(10, [0.24, 0.26, 0.5], [0, 0, 0], [99, 99, 99])]).toEqual([2, 3, 5]);
  });

  it('gives floors to the light and what the full cannot take to the others', () => {
    expect([...apportion(10, [0.001, 0.999], [2, 2], [99, 99])]).toEqual([2, 8]);
    expect([...apportion(10, [0.001, 0.999], [2, 2], [99, 5])]).toEqual([5, 5]);
    expect([...apportion(10, [0, 1, 0], [0, 0, 0], [9, 4, 3])]).toEqual([5, 4, 1]);
  });

  it('spends the total within all bounds', () => {
    fc.assert(
      fc.property(problems, ({ total, weights, minima, maxima }) => {
        const rows = apportion(total, weights, minima, maxima);
        expect(rows.reduce((sum, part) => sum + part, 0)).toBe(total);
        rows.forEach((part, i) => {
          expect(part).toBeGreaterThanOrEqual(minima[i]);
          expect(part).toBeLessThanOrEqual(maxima[i]);
        });
      }),
      { numRuns: 500 },
    );
  });

  it('is proportional among the parts that no bound holds', () => {
    fc.assert(
      fc.property(problems, ({ total, weights, minima, maxima }) => {
        const share = shareWithin(total, weights, minima, maxima);
        const ratios = [...share.keys()]
          .filter((i) => share[i] > minima[i] && share[i] < maxima[i] && weights[i] > 1e-9)
          .map((i) => share[i] / weights[i]);
        for (const ratio of ratios) expect(ratio / ratios[0]).toBeCloseTo(1, 6);
      }),
      { numRuns: 500 },
    );
  });
});
