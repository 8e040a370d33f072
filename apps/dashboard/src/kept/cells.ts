import type { ImagePlace } from '../api/types.js';

/** Tokens `[start, end)` of a prompt. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

/**
 * The cells of an image's grid, row by row, without the tokens that end its lines.
 * @param heat one byte a token of the prompt
 * @returns `[rows * columns]`; none where its place is not known
 */
export function cellsOf({ start, rows, columns, stride }: ImagePlace, heat: Uint8Array): Uint8Array {
  if (start === null) return new Uint8Array();
  const cells = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    cells.set(heat.subarray(start + row * stride, start + row * stride + columns), row * columns);
  }
  return cells;
}

/** What of the prompt is of no image, in runs. */
export function textRuns(tokens: number, images: readonly ImagePlace[]): Run[] {
  const runs: Run[] = [];
  let at = 0;
  for (const { start, rows, stride, tokens: own } of [...images].sort((a, b) => (a.start ?? 0) - (b.start ?? 0))) {
    if (start === null) continue;
    const end = start + rows * stride;
    const first = own === null ? start : end - own;
    if (first > at) runs.push({ start: at, end: first });
    at = Math.max(at, end);
  }
  if (at < tokens) runs.push({ start: at, end: tokens });
  return runs;
}
