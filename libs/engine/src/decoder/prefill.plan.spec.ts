import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRuns, rowsOf, type Piece } from './prefill.plan.js';

const short = (piece: Piece): string =>
  `${piece.branch ?? '-'}:${piece.start}-${piece.end}${piece.first ? ' first' : ''}${piece.last ? ' last' : ''}`;

describe('planRuns', () => {
  it('cuts a prompt by itself into chunks', () => {
    expect(planRuns({ resident: 0, shared: 0, tokens: [10] }, 4, true).map((run) => run.map(short))).toEqual([
      ['0:0-4 first'],
      ['0:4-8'],
      ['0:8-10 last'],
    ]);
  });

  it('takes short branches together, behind what they share', () => {
    expect(planRuns({ resident: 0, shared: 5, tokens: [7, 6, 12] }, 4, true).map((run) => run.map(short))).toEqual([
      ['-:0-4 first'],
      ['-:4-5 last'],
      ['0:5-7 first last', '1:5-6 first last'],
      ['2:5-9 first'],
      ['2:9-12 last'],
    ]);
    expect(planRuns({ resident: 0, shared: 5, tokens: [7, 6] }, 4, false)).toHaveLength(4);
  });

  it('computes nothing of what is resident', () => {
    expect(planRuns({ resident: 3, shared: 5, tokens: [7, 6] }, 4, true).map((run) => run.map(short))).toEqual([
      ['-:3-5 first last'],
      ['0:5-7 first last', '1:5-6 first last'],
    ]);
    expect(planRuns({ resident: 5, shared: 5, tokens: [10] }, 4, true).map((run) => run.map(short))).toEqual([
      ['0:5-9 first'],
      ['0:9-10 last'],
    ]);
  });

  it('covers every token once, in order, within the chunk', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });
    const chunks = fc.integer({ min: 1, max: 16 });
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), lengths, chunks, fc.boolean(), (resident, more, own, chunk, packs) => {
        const shared = resident + more;
        const tokens = own.map((length) => shared + length);
        const runs = planRuns({ resident, shared, tokens }, chunk, packs);
        for (const run of runs) {
          expect(rowsOf(run)).toBeLessThanOrEqual(chunk);
          if (!packs) expect(run).toHaveLength(1);
        }
        const at = new Map<number | undefined, number>([[undefined, resident]]);
        for (const piece of runs.flat()) {
          expect(piece.start).toBe(at.get(piece.branch) ?? (piece.branch === undefined ? resident : shared));
          at.set(piece.branch, piece.end);
        }
        expect(at.get(undefined)).toBe(shared);
        tokens.forEach((end, branch) => {
          expect(at.get(branch)).toBe(end);
        });
        const order = runs.flat().map(({ branch }) => branch ?? -1);
        expect(order).toEqual([...order].sort((a, b) => a - b));
      }),
    );
  });
});
