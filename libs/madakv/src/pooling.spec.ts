import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layoutOf, type PromptPart } from './layout.js';
import type { PromptLayout } from './policy.js';
import { createPooler, type Pooling } from './pooling.js';
import type { Window } from './window.js';

const window = fc.record({ before: fc.nat(7), after: fc.nat(7) });
const reduction = fc.constantFrom('max', 'avg');

const pools: fc.Arbitrary<Pooling> = fc.oneof(
  fc.record({ kind: fc.constant('tokens'), reduction, window }),
  fc.record({ kind: fc.constant('grid'), reduction, rows: window, cols: window, text: window }),
);

const prompts = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.record({ modality: fc.constant('text'), tokens: fc.integer({ min: 1, max: 12 }) }),
        fc.record({
          modality: fc.constant('visual'),
          rows: fc.integer({ min: 1, max: 5 }),
          cols: fc.integer({ min: 1, max: 9 }),
          frames: fc.integer({ min: 1, max: 2 }),
        }),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    fc.integer({ min: 0, max: 1 }),
  )
  .map(([parts, heldBack]: [PromptPart[], number]) => layoutOf(parts, heldBack));

const size = ({ before, after }: Window): number => before + after + 1;
const reaches = ({ before, after }: Window, from: number, to: number): boolean =>
  to >= from - before && to <= from + after;

/** Whether `other` lies in the window of `at`, straight from the definition. */
function isNeighbour(pooling: Pooling, { grids }: PromptLayout, at: number, other: number): boolean {
  if (pooling.kind === 'none') return at === other;
  if (pooling.kind === 'tokens') return reaches(pooling.window, at, other);
  const cellOf = (position: number) => {
    for (const grid of grids) {
      const cell = position - grid.start;
      const area = grid.rows * grid.cols;
      if (cell < 0 || cell >= area * (grid.frames ?? 1)) continue;
      const frame = `${grid.start}/${Math.floor(cell / area)}`;
      return { frame, row: Math.floor((cell % area) / grid.cols), col: cell % grid.cols };
    }
    const run = grids.filter(({ start }) => start < position).length;
    return { frame: `text ${run}`, row: 0, col: position };
  };
  const [a, b] = [cellOf(at), cellOf(other)];
  if (a.frame !== b.frame) return false;
  if (a.frame.startsWith('text')) return reaches(pooling.text, a.col, b.col);
  return reaches(pooling.rows, a.row, b.row) && reaches(pooling.cols, a.col, b.col);
}

function cells(pooling: Pooling, { grids }: PromptLayout, at: number): number {
  if (pooling.kind === 'none') return 1;
  if (pooling.kind === 'tokens') return size(pooling.window);
  const inGrid = grids.some(({ start, rows, cols, frames = 1 }) => at >= start && at < start + rows * cols * frames);
  return inGrid ? size(pooling.rows) * size(pooling.cols) : size(pooling.text);
}

describe('createPooler', () => {
  it('is the maximum or mean over the window, on any prompt', () => {
    fc.assert(
      fc.property(pools, prompts, fc.infiniteStream(fc.nat(1000)), (pooling, prompt, stream) => {
        const scores = Float32Array.from({ length: prompt.tokens }, () => Number(stream.next().value));
        const candidates = prompt.tokens - prompt.heldBack;
        const out = new Float32Array(prompt.tokens).fill(-1);
        createPooler(pooling, prompt, candidates)(scores, out);
        for (let at = 0; at < candidates; at++) {
          const values = [...scores].slice(0, candidates).filter((_, other) => isNeighbour(pooling, prompt, at, other));
          const sum = values.reduce((total, value) => total + value, 0);
          const isMax = pooling.kind === 'none' || pooling.reduction === 'max';
          expect(out[at]).toBeCloseTo(isMax ? Math.max(...values) : sum / cells(pooling, prompt, at), 2);
        }
        expect([...out.subarray(candidates)]).toEqual(new Array(prompt.heldBack).fill(0));
      }),
      { numRuns: 300 },
    );
  });

  it('lifts the neighbours along the line, not the next line', () => {
    const prompt = layoutOf([{ modality: 'visual', rows: 2, cols: 5 }]);
    const single = { before: 0, after: 0 };
    const pooling = {
      kind: 'grid',
      reduction: 'max',
      rows: single,
      cols: { before: 1, after: 1 },
      text: single,
    } as const;
    const out = new Float32Array(10);
    createPooler(pooling, prompt, 10)(Float32Array.of(0, 0, 0, 0, 7, 0, 0, 3, 0, 0), out);
    expect([...out]).toEqual([0, 0, 0, 7, 7, 0, 3, 3, 3, 0]);
  });

  it('takes what an image has beside its grid for no text', () => {
    const prompt = layoutOf([
      { modality: 'text', tokens: 3 },
      { modality: 'visual', tokens: 4 },
      { modality: 'visual', rows: 2, cols: 2 },
      { modality: 'text', tokens: 3 },
    ]);
    const wide = { before: 9, after: 9 };
    const none = { before: 0, after: 0 };
    const pooler = createPooler({ kind: 'grid', reduction: 'max', rows: none, cols: none, text: wide }, prompt, 14);
    const scores = Float32Array.from({ length: 14 }, (_, i) => i + 1);
    const out = new Float32Array(14);
    pooler(scores, out);
    expect([...out]).toEqual([3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 14, 14]);
  });

  it('reaches as far in text whatever a token stands for, and as many cells in a page', () => {
    const parts: PromptPart[] = [
      { modality: 'text', tokens: 12 },
      { modality: 'visual', rows: 1, cols: 8 },
    ];
    const window = { before: 8, after: 4 };
    const pooling: Pooling = {
      kind: 'grid',
      reduction: 'max',
      rows: { before: 0, after: 0 },
      cols: { before: 3, after: 0 },
      text: window,
    };
    const liftedBy = (textBytesPerToken?: number): string => {
      const prompt = { ...layoutOf(parts), ...(textBytesPerToken === undefined ? {} : { textBytesPerToken }) };
      const scores = new Float32Array(20);
      [scores[4], scores[12]] = [1, 1];
      const out = new Float32Array(20);
      createPooler(pooling, prompt, 20)(scores, out);
      return [...out].join('');
    };
    // What lies up to 8 bytes behind a score, and up to 4 before it.
    expect(liftedBy()).toBe('111111111111' + '11110000');
    expect(liftedBy(1)).toBe(liftedBy());
    expect(liftedBy(4)).toBe('000111100000' + '11110000');
    expect(liftedBy(4.3)).toBe(liftedBy(4));
    expect(liftedBy(100)).toBe('000010000000' + '11110000');
  });

  it('takes -0 for 0 and keeps denormals', () => {
    const prompt = layoutOf([{ modality: 'text', tokens: 4 }]);
    const out = new Float32Array(4);
    const pooling = { kind: 'tokens', reduction: 'max', window: { before: 1, after: 0 } } as const;
    createPooler(pooling, prompt, 4)(Float32Array.of(1, -0, -0, 1e-45), out);
    expect([...out]).toEqual([1, 1, 0, Math.fround(1e-45)]);
  });
});
