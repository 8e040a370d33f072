import type { Groups } from './group.size.js';

/**
 * A matrix that is stored in codes of 4 or 8 bits, as `MatMulNBits` takes it: what a code stands for is
 * `(code - zero point of its block) * scale of its block`.
 */
export interface PackedMatrix {
  readonly bits: 4 | 8;
  readonly outputs: number;
  readonly inputs: number;
  /** Inputs that share a scale: a power of two, 16 at least. */
  readonly blockSize: number;
  /** `[outputs, blocks, blockSize * bits / 8]`, low nibble first for 4 bits. */
  readonly packed: Uint8Array;
  /** `[outputs, blocks]` */
  readonly scales: Float32Array;
  /** `[outputs, ceil(blocks * bits / 8)]`, packed like the codes; absent where each is `2^(bits - 1)`. */
  readonly zeroPoints?: Uint8Array;
  /** `[inputs]`: which column of the input meets which column of the matrix; absent where each meets its own. */
  readonly order?: Int32Array;
}

/** A matrix in groups as quantisers write it, with one row an output. */
export interface GroupedMatrix {
  readonly bits: 4 | 8;
  readonly outputs: number;
  readonly inputs: number;
  /** Inputs that share a scale; the last group may have less. */
  readonly groupSize: number;
  /** `[outputs, inputs * bits / 8]`, low nibble first, sorted by group. */
  readonly rows: Uint8Array;
  /** `[outputs, groups]` */
  readonly scales: Float32Array;
  /** `[outputs, groups]`, a byte each. */
  readonly zeroPoints: Uint8Array;
  /** `[inputs]`: where each column of `rows` stood before it was sorted. */
  readonly order: Int32Array | undefined;
}

/** How a matrix is packed, as far as its headers and its order say. */
export interface MatrixLayout {
  readonly bits: 4 | 8;
  readonly groups: Groups;
  /** As in {@link GroupedMatrix}. */
  readonly order: Int32Array | undefined;
}

/** Cuts groups into blocks. Blocks of one group share its values, so that nothing is rounded. @param blockSize of {@link Groups} */
export function packedMatrix(matrix: GroupedMatrix, blockSize: number): PackedMatrix {
  const { bits, outputs, inputs, groupSize, rows } = matrix;
  const groups = Math.ceil(inputs / groupSize);
  const blocks = Math.ceil(inputs / blockSize);
  const rowBytes = (inputs * bits) / 8;
  const paddedBytes = (blocks * blockSize * bits) / 8;
  const scales = new Float32Array(outputs * blocks);
  const middle = 2 ** (bits - 1);
  const isSymmetric = matrix.zeroPoints.every((code) => code === middle);
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const zeroPoints = new Uint8Array(isSymmetric ? 0 : outputs * zeroBytes);
  const packed = paddedBytes === rowBytes ? rows : new Uint8Array(outputs * paddedBytes);
  for (let output = 0; output < outputs; output++) {
    for (let block = 0; block < blocks; block++) {
      const group = output * groups + Math.floor((block * blockSize) / groupSize);
      scales[output * blocks + block] = matrix.scales[group];
      if (isSymmetric) continue;
      const zero = matrix.zeroPoints[group];
      if (bits === 8) zeroPoints[output * zeroBytes + block] = zero;
      else zeroPoints[output * zeroBytes + (block >> 1)] |= zero << (4 * (block & 1));
    }
    if (packed === rows) continue;
    packed.set(rows.subarray(output * rowBytes, (output + 1) * rowBytes), output * paddedBytes);
    // What lies beyond the last input stands for zero.
    const zero = matrix.zeroPoints[(output + 1) * groups - 1];
    packed.fill(bits === 8 ? zero : zero | (zero << 4), output * paddedBytes + rowBytes, (output + 1) * paddedBytes);
  }
  const { order } = matrix;
  return {
    bits,
    outputs,
    inputs,
    blockSize,
    packed,
    scales,
    ...(isSymmetric ? {} : { zeroPoints }),
    ...(order === undefined ? {} : { order }),
  };
}
