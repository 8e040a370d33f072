import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { VisualRows } from './prefill.group.js';
import { visualOf, visualRowsIn } from './visual.rows.js';

const HIDDEN = 2;
const LAYERS = 3;

/** Features of `rows` rows from `row` on, each value naming its layer, row and column. */
function image(row: number, rows: number): VisualRows {
  const value = (layer: number, i: number): number => 1000 * (layer + 1) + HIDDEN * row + i;
  const layers = Array.from({ length: LAYERS }, (_, layer) =>
    Float32Array.from({ length: rows * HIDDEN }, (_, i) => value(layer, i)),
  );
  return { row, layers };
}

it('gives every row of a prompt its features once, however the prompt is cut into runs', () => {
  const lengths = fc.array(fc.record({ text: fc.nat(4), image: fc.integer({ min: 1, max: 9 }) }), { maxLength: 4 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 7 }), fc.nat(3), (parts, chunk, before) => {
      const visual: VisualRows[] = [];
      let tokens = 0;
      for (const part of parts) {
        tokens += part.text;
        visual.push(image(tokens, part.image));
        tokens += part.image;
      }
      const whole = (layer: number): number[] =>
        Array.from((visualOf(visual, layer, [tokens, HIDDEN])?.data ?? new Float32Array(0)) as Float32Array);
      for (let layer = 0; layer < LAYERS; layer++) {
        const runs: number[] = [];
        for (let from = 0; from < tokens; from += chunk) {
          const to = Math.min(tokens, from + chunk);
          // Other rows stand before them in the run.
          const own = visualRowsIn(visual, { from, to, at: before }, HIDDEN);
          const added = visualOf(own, layer, [before + to - from, HIDDEN])?.data as Float32Array | undefined;
          runs.push(...(added?.subarray(before * HIDDEN) ?? new Float32Array((to - from) * HIDDEN)));
        }
        expect(runs).toEqual(visual.length === 0 ? runs.map(() => 0) : whole(layer));
      }
    }),
  );
});

it('adds nothing behind later layers, nor to a run without images', () => {
  expect(visualOf([image(0, 2)], LAYERS, [2, HIDDEN])).toBeUndefined();
  expect(visualOf([], 0, [2, HIDDEN])).toBeUndefined();
  expect(visualRowsIn([image(4, 2)], { from: 0, to: 4, at: 0 }, HIDDEN)).toEqual([]);
});
