import type { PromptPositions, Segment } from '../family.js';

/**
 * M-RoPE positions (Qwen2-VL, arXiv:2409.12191, section 2.1): text counts up on all three axes at once; an image holds
 * time still, counts its merged rows and columns on the other two, and moves the count on by its longer side.
 */
export function mropePositions(segments: readonly Segment[]): PromptPositions {
  const tokens = segments.at(-1)?.end ?? 0;
  const positions = new Int32Array(3 * tokens);
  let next = 0;
  for (const { start, end, grid } of segments) {
    if (grid === undefined) {
      for (let token = start; token < end; token++, next++) {
        for (let axis = 0; axis < 3; axis++) positions[axis * tokens + token] = next;
      }
      continue;
    }
    for (let token = start; token < end; token++) {
      const cell = token - start;
      positions[token] = next + Math.floor(cell / (grid.rows * grid.cols));
      positions[tokens + token] = next + (Math.floor(cell / grid.cols) % grid.rows);
      positions[2 * tokens + token] = next + (cell % grid.cols);
    }
    next += Math.max(grid.rows, grid.cols);
  }
  return { axes: 3, positions, nextPosition: next };
}
