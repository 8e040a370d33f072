import { describe, expect, it } from 'vitest';
import type { PreparedImage } from '../family.js';
import { expandPlaceholders } from './placeholders.js';

function image(rows: number, cols: number, extra = 0): PreparedImage {
  const grid = { frames: 1, rows, cols };
  return { pixels: new Float32Array(0), dims: [0], patchGrid: grid, grid, tokens: rows * cols + extra, key: '' };
}

describe('expandPlaceholders', () => {
  it('repeats placeholders, also of images side by side and at the ends', () => {
    const { inputIds, segments } = expandPlaceholders([9, 9, 5, 9], 9, [image(1, 2), image(2, 2), image(1, 1, 1)]);
    expect([...inputIds]).toEqual([9, 9, 9, 9, 9, 9, 5, 9, 9]);
    expect(segments).toEqual([
      { start: 0, end: 2, modality: 'visual', image: 0, grid: { frames: 1, rows: 1, cols: 2 } },
      { start: 2, end: 6, modality: 'visual', image: 1, grid: { frames: 1, rows: 2, cols: 2 } },
      { start: 6, end: 7, modality: 'text' },
      { start: 7, end: 9, modality: 'visual', image: 2, grid: { frames: 1, rows: 1, cols: 1 } },
    ]);
  });

  it('takes text alone', () => {
    const { inputIds, segments } = expandPlaceholders([1, 2], 9, []);
    expect([[...inputIds], segments]).toEqual([[1, 2], [{ start: 0, end: 2, modality: 'text' }]]);
  });

  it('refuses a text that contains a placeholder', () => {
    expect(() => expandPlaceholders([1, 9], 9, [])).toThrow('1 image placeholders for 0 images');
  });
});
