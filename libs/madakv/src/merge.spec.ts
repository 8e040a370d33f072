import { describe, expect, it } from 'vitest';
import { mergeEvicted } from './merge.js';
import type { MergeMethod } from './policy.js';

/** One head, four candidates of two dimensions; 0 and 3 are kept, 1 points along 0, 2 is text. */
const layer = {
  keys: Float32Array.of(2, 0, 4, 0, 0, 9, 0, 1),
  values: Float32Array.of(10, 20, 30, 40, 50, 60, 70, 80),
  heads: 1,
  candidates: 4,
  dim: 2,
  kept: Int32Array.of(0, 3),
  rows: 2,
};
const mergeable = Uint8Array.of(1, 1, 0, 1);

function merge(method: MergeMethod): { keys: number[]; values: number[] } {
  const { keys, values } = mergeEvicted(layer, { kind: 'look-m', method, mergeable });
  return { keys: [...keys], values: [...values] };
}

describe('mergeEvicted', () => {
  it('averaged: c and what is folded into it, over n + 1', () => {
    expect(merge('averaged')).toEqual({ keys: [3, 0, 0, 1], values: [20, 30, 70, 80] });
  });

  it('pivotal: what is folded in is averaged with c first', () => {
    expect(merge('pivotal')).toEqual({ keys: [2.5, 0, 0, 1], values: [15, 25, 70, 80] });
  });

  it('weighted: by the cosine of the keys', () => {
    const slanted = { ...layer, keys: Float32Array.of(2, 0, 3, 1, 0, 9, 0, 1) };
    const { keys, values } = mergeEvicted(slanted, { kind: 'look-m', method: 'weighted', mergeable });
    const cosine = 3 / Math.sqrt(10);
    expect(keys[0]).toBeCloseTo((2 + 3 * cosine) / 2, 5);
    expect(values[1]).toBeCloseTo((20 + 40 * cosine) / 2, 5);
  });

  it('finds the nearest by direction, not by length, in every head of its own', () => {
    const keys = Float32Array.of(100, 100, 1, 0.1, 0.5, 0, /* head 1 */ 0, 1, 1, 1, 5, 5);
    const plan = { kind: 'look-m', method: 'averaged', mergeable: Uint8Array.of(1, 1, 1) } as const;
    const merged = mergeEvicted(
      { keys, values: keys, heads: 2, candidates: 3, dim: 2, kept: Int32Array.of(0, 2, 0, 1), rows: 2 },
      plan,
    );
    expect([...merged.keys]).toEqual([100, 100, 0.75, Math.fround(0.05), 0, 1, 3, 3]);
  });

  it('gives a row between two kept ones to the lower position', () => {
    const between = { ...layer, keys: Float32Array.of(0, 2, 1, 1, 0, 9, 2, 0) };
    const { keys } = mergeEvicted(between, { kind: 'look-m', method: 'averaged', mergeable });
    expect([...keys]).toEqual([0.5, 1.5, 2, 0]);
  });

  it('is a plain copy where nothing is evicted, and survives keys of zeros', () => {
    const all = { ...layer, kept: Int32Array.of(0, 1, 2, 3), rows: 4 };
    expect(mergeEvicted(all, { kind: 'look-m', method: 'pivotal', mergeable }).keys).toEqual(layer.keys);
    const zeros = { ...layer, keys: new Float32Array(8) };
    const { keys } = mergeEvicted(zeros, { kind: 'look-m', method: 'weighted', mergeable });
    expect([...keys]).toEqual([0, 0, 0, 0]);
  });
});
