import { describe, expect, it } from 'vitest';
import type { Segment } from '../family.js';
import { mropePositions } from './mrope.positions.js';

const rows = (positions: Int32Array): number[][] => {
  const tokens = positions.length / 3;
  return [0, 1, 2].map((axis) => Array.from(positions.subarray(axis * tokens, (axis + 1) * tokens)));
};

describe('mropePositions', () => {
  it('counts text on all axes, an image by rows and columns, and goes on behind its longer side', () => {
    const segments: Segment[] = [
      { start: 0, end: 2, modality: 'text' },
      { start: 2, end: 8, modality: 'visual', image: 0, grid: { frames: 1, rows: 2, cols: 3 } },
      { start: 8, end: 10, modality: 'text' },
    ];
    const { positions, axes, nextPosition } = mropePositions(segments);
    expect(axes).toBe(3);
    expect(rows(positions)).toEqual([
      [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
      [0, 1, 2, 2, 2, 3, 3, 3, 5, 6],
      [0, 1, 2, 3, 4, 2, 3, 4, 5, 6],
    ]);
    expect(nextPosition).toBe(7);
  });

  it('counts frames on the first axis', () => {
    const grid = { frames: 2, rows: 1, cols: 1 };
    const { positions, nextPosition } = mropePositions([{ start: 0, end: 2, modality: 'visual', image: 0, grid }]);
    expect(rows(positions)).toEqual([
      [0, 1],
      [0, 0],
      [0, 0],
    ]);
    expect(nextPosition).toBe(1);
  });
});
