/** Bins of the most significant digit of a score: exponent and three bits of mantissa. */
export const bins = 2048;

/** Working memory of one request's selections, so that a layer allocates nothing but its result. Not shared. */
export class Scratch {
  readonly counts = new Uint32Array(bins);
  readonly sums = new Float64Array(bins);
  readonly members: Int32Array;
  readonly ties: Int32Array;
  /** `[tokens]` 1 where a position is kept; all zero between uses. */
  readonly marks: Uint8Array;

  constructor(tokens: number) {
    this.members = new Int32Array(tokens);
    this.ties = new Int32Array(tokens);
    this.marks = new Uint8Array(tokens);
  }
}

/**
 * The bits of `[tokens]` scores as integers that sort like the scores: for numbers >= 0 the IEEE order is the integer
 * order. Readers clear the sign bit (`& 0x7fffffff`), so that -0 equals 0.
 */
export function sortableBits(scores: Float32Array): Uint32Array {
  return new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
}

/** The three digits of a sortable score, most significant first. */
export const digits: readonly { readonly shift: number; readonly mask: number }[] = [
  { shift: 20, mask: 0x7ff },
  { shift: 9, mask: 0x7ff },
  { shift: 0, mask: 0x1ff },
];
