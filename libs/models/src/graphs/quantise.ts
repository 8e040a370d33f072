import { zeroCode, type CodeType } from '@madakv/onnx';

/** A matrix in the layout of ONNX Runtime's `MatMulNBits`. */
export interface QuantisedMatrix {
  /** `[rows, blocks, blockSize * bits / 8]`, low nibble first for 4 bits; the zero point is `2^(bits - 1)`. */
  readonly packed: Uint8Array;
  /** `[rows * blocks]` */
  readonly scales: Float32Array;
}

/**
 * Symmetric round-to-nearest quantisation of each row in blocks along the columns. The value of largest magnitude of a
 * block maps to the end of the range on its own side, so that the whole range `[-2^(bits-1), 2^(bits-1) - 1]` is used.
 * @param values `[rows, columns]`
 */
export function quantiseRows(
  values: Float32Array,
  rows: number,
  columns: number,
  bits: 4 | 8,
  blockSize: number,
): QuantisedMatrix {
  const blocks = Math.ceil(columns / blockSize);
  const blockBytes = (blockSize * bits) / 8;
  const zero = 2 ** (bits - 1);
  const packed = new Uint8Array(rows * blocks * blockBytes);
  const scales = new Float32Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * columns + block * blockSize;
      const end = Math.min(start + blockSize, (row + 1) * columns);
      const scale = blockScale(values, start, end, zero);
      const at = row * blocks + block;
      scales[at] = scale;
      packBlock(values, start, end, scale, zero, bits, packed, at * blockBytes, blockBytes);
    }
  }
  return { packed, scales };
}

function blockScale(values: Float32Array, start: number, end: number, zero: number): number {
  let extreme = 0;
  for (let i = start; i < end; i++) if (Math.abs(values[i]) > Math.abs(extreme)) extreme = values[i];
  return extreme / -zero;
}

function packBlock(
  values: Float32Array,
  start: number,
  end: number,
  scale: number,
  zero: number,
  bits: 4 | 8,
  packed: Uint8Array,
  offset: number,
  blockBytes: number,
): void {
  const inverse = scale === 0 ? 0 : 1 / scale;
  const top = 2 * zero - 1;
  const code = (i: number): number =>
    i < end ? Math.max(0, Math.min(top, Math.round(values[i] * inverse) + zero)) : zero;
  if (bits === 8) {
    for (let i = 0; i < blockBytes; i++) packed[offset + i] = code(start + i);
    return;
  }
  for (let i = 0; i < blockBytes; i++) packed[offset + i] = code(start + 2 * i) | (code(start + 2 * i + 1) << 4);
}

/**
 * Symmetric 8-bit quantisation with one scale an output, transposed for a product with rows of inputs.
 * @param values `[outputs, inputs]`
 * @param type of the codes; a value is its scale times how far its code is from {@link zeroCode}
 * @returns `transposed` `[inputs, outputs]`, `scales` `[outputs]`
 */
export function quantiseOutputs(
  values: Float32Array,
  outputs: number,
  inputs: number,
  type: CodeType,
): { readonly transposed: Int8Array | Uint8Array; readonly scales: Float32Array } {
  const transposed = new (type === 'int8' ? Int8Array : Uint8Array)(inputs * outputs);
  const zero = zeroCode[type];
  const scales = new Float32Array(outputs);
  for (let output = 0; output < outputs; output++) {
    const row = values.subarray(output * inputs, (output + 1) * inputs);
    let largest = 0;
    for (let i = 0; i < inputs; i++) largest = Math.max(largest, Math.abs(row[i]));
    scales[output] = largest / 127;
    const inverse = largest === 0 ? 0 : 127 / largest;
    for (let i = 0; i < inputs; i++) transposed[i * outputs + output] = Math.round(row[i] * inverse) + zero;
  }
  return { transposed, scales };
}
