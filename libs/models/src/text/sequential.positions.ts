import type { PromptPositions, Segment } from '../family.js';

/** Every token, visual or not, is one position further than the one before. */
export function sequentialPositions(segments: readonly Segment[]): PromptPositions {
  const tokens = segments.at(-1)?.end ?? 0;
  return { axes: 1, positions: Int32Array.from({ length: tokens }, (_, token) => token), nextPosition: tokens };
}
