import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demandOf } from './demand.js';
import { Scratch } from './scratch.js';

function demand(scores: readonly number[], theta: number, among = [...scores.keys()]): number {
  return demandOf(Float32Array.from(scores), Int32Array.from(among), theta, new Scratch(scores.length));
}

/** Equation (9) by a full sort. */
function sorted(scores: readonly number[], theta: number): number {
  const total = scores.reduce((sum, score) => sum + score, 0);
  let sum = 0;
  let count = 0;
  for (const score of [...scores].sort((a, b) => b - a)) {
    if (sum >= theta * total) break;
    sum += score;
    count++;
  }
  return count;
}

describe('demandOf (9)', () => {
  it('is the size of the smallest subset that carries theta of the weight', () => {
    expect(demand([5, 1, 3, 1], 0.5)).toBe(1);
    expect(demand([5, 1, 3, 1], 0.51)).toBe(2);
    expect(demand([5, 1, 3, 1], 0.8)).toBe(2);
    expect(demand([5, 1, 3, 1], 0.85)).toBe(3);
    expect(demand([5, 1, 3, 1], 1)).toBe(4);
  });

  it('agrees with a full sort (whole numbers: sums are exact)', () => {
    const scores = fc.array(fc.oneof(fc.nat(3), fc.nat(100_000)), { minLength: 1, maxLength: 80 });
    // A theta of whole 64ths keeps theta * sum exact too.
    fc.assert(
      fc.property(scores, fc.integer({ min: 1, max: 64 }), (values, part) => {
        expect(demand(values, part / 64)).toBe(sorted(values, part / 64));
      }),
      { numRuns: 500 },
    );
  });

  it('counts only the positions it is asked about', () => {
    expect(demand([100, 1, 1, 100], 1, [1, 2])).toBe(2);
    expect(demand([100, 1, 1, 100], 1, [])).toBe(0);
  });

  it('needs nothing where nothing carries weight, and no more than carries any', () => {
    expect(demand([0, -0, 0], 0.9)).toBe(0);
    expect(demand([0, 2, 0], 1)).toBe(1);
    expect(demand([1e-45, 1e-45, 0], 1)).toBe(2);
  });

  it('counts equal scores one by one', () => {
    expect(demand(new Array<number>(1000).fill(0.125), 0.5)).toBe(500);
  });
});
