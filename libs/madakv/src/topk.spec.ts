import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scratch } from './scratch.js';
import { markTop } from './topk.js';

/** What `markTop` is measured against: a full sort. */
function sorted(scores: Float32Array, among: Int32Array, count: number, ties?: Float32Array): number[] {
  return [...among]
    .sort((a, b) => scores[b] - scores[a] || (ties === undefined ? 0 : ties[b] - ties[a]) || a - b)
    .slice(0, count)
    .sort((a, b) => a - b);
}

function top(scores: Float32Array, among: Int32Array, count: number, ties?: Float32Array): number[] {
  const scratch = new Scratch(scores.length);
  const marks = new Uint8Array(scores.length);
  markTop(scores, among, count, marks, scratch, ties);
  return [...marks.keys()].filter((position) => marks[position] === 1);
}

const score = fc.oneof(
  fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e-45, 1.1754943508222875e-38, 0.5, 1, 3.4028234663852886e38),
);

const cases = fc
  .array(fc.record({ score, tie: score, among: fc.boolean() }), { minLength: 1, maxLength: 60 })
  .map((rows) => ({
    scores: Float32Array.from(rows, (row) => row.score),
    ties: Float32Array.from(rows, (row) => row.tie),
    among: Int32Array.from(rows.keys()).filter((i) => rows[i].among),
  }));

describe('markTop', () => {
  it('chooses what a full sort chooses, equal scores by position', () => {
    fc.assert(
      fc.property(cases, fc.nat(60), ({ scores, among }, count) => {
        expect(top(scores, among, count)).toEqual(sorted(scores, among, count));
      }),
      { numRuns: 500 },
    );
  });

  it('decides equal scores by the tie scores first', () => {
    fc.assert(
      fc.property(cases, fc.nat(60), fc.integer({ min: 1, max: 3 }), ({ scores, ties, among }, count, levels) => {
        const coarse = scores.map((_, i) => (i * 7) % levels);
        expect(top(coarse, among, count, ties)).toEqual(sorted(coarse, among, count, ties));
      }),
      { numRuns: 500 },
    );
  });

  it('tells scores apart that differ in the last bit only', () => {
    const scores = new Float32Array(new Uint32Array([0x3f800001, 0x3f800003, 0x3f800000, 0x3f800002]).buffer);
    expect(top(scores, Int32Array.of(0, 1, 2, 3), 2)).toEqual([1, 3]);
  });

  it('takes -0 for 0', () => {
    expect(top(Float32Array.of(-0, 0, 1e-45), Int32Array.of(0, 1, 2), 2)).toEqual([0, 2]);
  });

  it('leaves other marks alone', () => {
    const marks = Uint8Array.of(1, 0, 0);
    markTop(Float32Array.of(0, 1, 2), Int32Array.of(1, 2), 1, marks, new Scratch(3));
    expect([...marks]).toEqual([1, 0, 1]);
  });
});
