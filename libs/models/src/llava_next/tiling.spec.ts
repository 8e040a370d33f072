import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { featureOrder, fit, type Tiling } from './tiling.js';

const reference = fileURLToPath(
  new URL('../../../../test/conformance/fixtures/processing/tilings.json', import.meta.url),
);
const sizes: readonly (readonly [number, number])[] = [
  [336, 672],
  [672, 336],
  [672, 672],
  [1008, 336],
  [336, 1008],
];
const tiling: Tiling = {
  tileSize: 336,
  side: 24,
  canvases: sizes.map(([height, width]) => ({ height, width })),
};

describe('fit', () => {
  it('finds what the reference finds', () => {
    for (const row of JSON.parse(readFileSync(reference, 'utf8')) as number[][]) {
      const [height, width, ...expected] = row;
      // The reference leaves the whole image alone there.
      if (expected.includes(0)) {
        expect(() => fit({ height, width }, tiling)).toThrow('too thin');
        continue;
      }
      const { canvas, resized, grid } = fit({ height, width }, tiling);
      const found = [canvas.height, canvas.width, resized.height, resized.width, grid.rows, grid.cols - 1];
      expect([height, width, ...found]).toEqual([height, width, ...expected]);
    }
  });

  it('refuses an image of which nothing would be left', () => {
    expect(() => fit({ width: 20_000, height: 8 }, tiling)).toThrow('20000 x 8: too thin, nothing would be left of it');
    expect(() => fit({ width: 1, height: 20_000 }, tiling)).toThrow('too thin');
  });
});

it('orders the whole image first, then each cell of the tiles once, row by row', () => {
  const side = fc.integer({ min: 60, max: 3000 });
  fc.assert(
    fc.property(side, side, (width, height) => {
      const fitted = fit({ width, height }, tiling);
      const order = featureOrder(fitted, tiling.side);
      expect(order).toHaveLength(fitted.tokens);
      const { rows, cols } = fitted.patchGrid;
      const newLine = 24 ** 2 + rows * cols;
      expect(order.filter((row) => row === newLine)).toHaveLength(fitted.grid.rows);
      const cells = order.filter((row) => row !== newLine);
      expect(new Set(cells).size).toBe(cells.length);
      expect(Math.max(...cells)).toBeLessThan(newLine);
      expect([...order.subarray(0, 24 ** 2)]).toEqual(Array.from({ length: 24 ** 2 }, (_, i) => i));
    }),
    { numRuns: 50 },
  );
});
