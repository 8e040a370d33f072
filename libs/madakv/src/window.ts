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
  private readonly forward: Float32Array;
  private readonly backward: Float32Array;
  private readonly sums: Float64Array;

  /** @param longest cells of the longest line, window included on both sides. */
  constructor(longest: number) {
    this.forward = new Float32Array(longest);
    this.backward = new Float32Array(longest);
    this.sums = new Float64Array(longest + 1);
  }

  /**
   * Writes the reduction of each cell's window. Cells beyond the ends of the line count as 0, and `avg` divides by the
   * whole window (as `avg_pool1d` with padding does), so that it never lifts the ends.
   *
   * @param input `[...]` scores >= 0. May be `output`.
   */
  apply(input: Float32Array, output: Float32Array, line: Line, window: Window, reduction: WindowReduction): void {
    const before = Math.min(window.before, line.length - 1);
    const after = Math.min(window.after, line.length - 1);
    if (reduction === 'avg') this.average(input, output, line, before, after, window.before + window.after + 1);
    else this.maximum(input, output, line, before, after);
  }

  /** van Herk and Gil-Werman: running maxima from both ends of blocks as long as the window; two of them make one. */
  private maximum(input: Float32Array, output: Float32Array, line: Line, before: number, after: number): void {
    const { start, length, stride } = line;
    const { forward, backward } = this;
    const width = before + after + 1;
    const padded = length + before + after;
    backward.fill(0, 0, before);
    backward.fill(0, before + length, padded);
    for (let i = 0, at = start; i < length; i++, at += stride) backward[before + i] = input[at];
    for (let block = 0; block < padded; block += width) {
      const end = Math.min(block + width, padded);
      let running = 0;
      for (let i = block; i < end; i++) {
        const value = backward[i];
        if (value > running) running = value;
        forward[i] = running;
      }
      running = 0;
      for (let i = end - 1; i >= block; i--) {
        const value = backward[i];
        if (value > running) running = value;
        backward[i] = running;
      }
    }
    for (let i = 0, at = start; i < length; i++, at += stride) {
      const left = backward[i];
      const right = forward[i + width - 1];
      output[at] = left > right ? left : right;
    }
  }

  private average(
    input: Float32Array,
    output: Float32Array,
    line: Line,
    before: number,
    after: number,
    width: number,
  ): void {
    const { start, length, stride } = line;
    const { sums } = this;
    sums[0] = 0;
    for (let i = 0, at = start; i < length; i++, at += stride) sums[i + 1] = sums[i] + input[at];
    for (let i = 0, at = start; i < length; i++, at += stride) {
      const end = Math.min(length, i + after + 1);
      const begin = Math.max(0, i - before);
      output[at] = (sums[end] - sums[begin]) / width;
    }
  }
}
