import type { QuantisedMatrix } from './quantise.js';

/** Value of the first digit's least step, in steps of the second. */
const BASE = 256;

/** Digits are stored as codes around this one. */
const MIDDLE = 128;

/** The largest number of two digits: the first one at most 127, and the second, which rounds it, likewise. */
const LARGEST = 127 * BASE + 127;

/**
 * Weights of 16 bits in the layout of ONNX Runtime's `MatMulNBits` with 8 bits: each row is its first digits, then its second ones. A
 * weight is `scale * (first - 128)` with the scale of its block of first digits, and the same of the second, added up. It differs from
 * the original by at most a 65,000th of its block's largest.
 * @param values `[rows, columns]`, `columns` a multiple of `blockSize`
 * @returns `packed` `[rows, 2 * columns]`, `scales` `[rows, 2 * columns / blockSize]`
 */
export function splitDigits(values: Float32Array, rows: number, columns: number, blockSize: number): QuantisedMatrix {
  const blocks = columns / blockSize;
  const packed = new Uint8Array(rows * 2 * columns);
  const scales = new Float32Array(rows * 2 * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * columns + block * blockSize;
      const step = largestOf(values, from, from + blockSize) / LARGEST;
      const inverse = step === 0 ? 0 : 1 / step;
      const at = row * 2 * blocks + block;
      scales[at] = step * BASE;
      scales[at + blocks] = step;
      for (let i = 0; i < blockSize; i++) {
        const code = Math.round(values[from + i] * inverse);
        const first = Math.round(code / BASE);
        packed[at * blockSize + i] = first + MIDDLE;
        packed[(at + blocks) * blockSize + i] = code - first * BASE + MIDDLE;
      }
    }
  }
  return { packed, scales };
}

function largestOf(values: Float32Array, from: number, to: number): number {
  let largest = 0;
  for (let i = from; i < to; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}
