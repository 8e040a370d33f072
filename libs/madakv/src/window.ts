/** `max` or `avg` of the scores in a window. */
export type WindowReduction = 'max' | 'avg';

/** A window around a cell: how many cells before and after it belong to it. */
export interface Window {
  readonly before: number;
  readonly after: number;
}

/** A line of cells in an array: `length` elements from `start`, `stride` apart. */
export interface Line {
  readonly start: number;
  readonly length: number;
  readonly stride: number;
}

/** Slides windows along lines in time linear in the line, whatever the window. Holds buffers; not shared. */
export class SlidingWindow {
  private readonly forward: Int32Array;
  private readonly backward: Int32Array;
  private readonly sums: Float64Array;

  /** @param longest cells of the longest line. */
  constructor(longest: number) {
    // A window reaches at most the length of its line to either side.
    this.forward = new Int32Array(3 * longest);
    this.backward = new Int32Array(3 * longest);
    this.sums = new Float64Array(longest + 1);
  }

  /**
   * Replaces each cell of the lines by the reduction of its window. Cells beyond the ends of a line count as 0, and
   * `avg` divides by the whole window (as `avg_pool1d` with padding does), so that it never lifts the ends.
   *
   * @param scores finite, >= 0; changed in place.
   */
  apply(scores: Float32Array, lines: readonly Line[], window: Window, reduction: WindowReduction): void {
    const bits = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
    for (const line of lines) {
      if (line.length === 0) continue;
      const before = Math.min(window.before, line.length - 1);
      const after = Math.min(window.after, line.length - 1);
      if (reduction === 'max') this.maximum(bits, line, before, after);
      else this.average(scores, line, before, after, window.before + window.after + 1);
    }
  }

  /**
   * van Herk and Gil-Werman: running maxima from both ends of blocks as long as the window; two of them make one.
   * Works on the bits of the scores, which sort like the scores once the sign of -0 is gone, so that a
   * maximum needs no branch.
   */
  private maximum(bits: Int32Array, { start, length, stride }: Line, before: number, after: number): void {
    const { forward, backward } = this;
    const width = before + after + 1;
    const padded = length + before + after;
    backward.fill(0, 0, before);
    backward.fill(0, before + length, padded);
    for (let i = 0, at = start; i < length; i++, at += stride) backward[before + i] = bits[at] & 0x7fffffff;
    for (let block = 0; block < padded; block += width) {
      const end = Math.min(block + width, padded);
      let running = 0;
      for (let i = block; i < end; i++) {
        running = larger(running, backward[i]);
        forward[i] = running;
      }
      running = 0;
      for (let i = end - 1; i >= block; i--) {
        running = larger(running, backward[i]);
        backward[i] = running;
      }
    }
    for (let i = 0, at = start; i < length; i++, at += stride) {
      bits[at] = larger(backward[i], forward[i + width - 1]);
    }
  }

  private average(
    scores: Float32Array,
    { start, length, stride }: Line,
    before: number,
    after: number,
    width: number,
  ): void {
    const { sums } = this;
    sums[0] = 0;
    for (let i = 0, at = start; i < length; i++, at += stride) sums[i + 1] = sums[i] + scores[at];
    for (let i = 0, at = start; i < length; i++, at += stride) {
      const end = Math.min(length, i + after + 1);
      const begin = Math.max(0, i - before);
      scores[at] = (sums[end] - sums[begin]) / width;
    }
  }
}

/** The larger of two integers >= 0. */
function larger(a: number, b: number): number {
  const difference = (a - b) | 0;
  return a - (difference & (difference >> 31));
}
