import { expect, it } from 'vitest';
import { splitDigits } from './split.digits.js';

const BLOCK = 32;

function restored(values: Float32Array, rows: number, columns: number): Float32Array {
  const { packed, scales } = splitDigits(values, rows, columns, BLOCK);
  const blocks = columns / BLOCK;
  return values.map((_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const digit = (which: number): number => {
      const block = (2 * row + which) * blocks + Math.floor(column / BLOCK);
      return scales[block] * (packed[(2 * row + which) * columns + column] - 128);
    };
    return digit(0) + digit(1);
  });
}

it('a weight differs by at most half a step of its block, nearer than float16 where the block is alike', () => {
  const values = Float32Array.from({ length: 3 * 64 }, (_, i) => Math.sin(i * 1.7) * 10 ** (Math.floor(i / BLOCK) - 3));
  const back = restored(values, 3, 64);
  for (let block = 0; block < values.length / BLOCK; block++) {
    const [from, to] = [block * BLOCK, (block + 1) * BLOCK];
    const largest = Math.max(...values.subarray(from, to).map(Math.abs));
    for (let i = from; i < to; i++) {
      expect(Math.abs(back[i] - values[i])).toBeLessThanOrEqual((0.501 * largest) / (127 * 256 + 127));
    }
  }
});

it('keeps zeros and both ends of a block exact', () => {
  const values = new Float32Array(64);
  values.set([1, -1, 0.5], 0);
  const back = restored(values, 1, 64);
  expect(back[0]).toBeCloseTo(1, 6);
  expect(back[1]).toBeCloseTo(-1, 6);
  expect(back.subarray(3)).toEqual(new Float32Array(61));
});
