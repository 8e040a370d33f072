import { CheckpointError } from '../checkpoint.error.js';
import type { PartReader } from './part.reader.js';

/** Scales beside a matrix of FP8: DeepSeek's and `transformers`' name, and the one of compressed-tensors. */
export const FP8_PARTS = ['weight_scale_inv', 'weight_scale'] as const;

/** What each byte of an FP8 number (E4M3, no infinities) stands for. */
const values = Float32Array.from({ length: 256 }, (_, byte) => {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  if (exponent === 15 && fraction === 7) return NaN;
  return exponent === 0 ? sign * fraction * 2 ** -9 : sign * (1 + fraction / 8) * 2 ** (exponent - 7);
});

/** Widens FP8 numbers. */
export function fromFloat8(bytes: Uint8Array): Float32Array {
  // Not `from`, which puts all of them into an ordinary array first: a matrix of 110 million is too long for one.
  const widened = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) widened[i] = values[bytes[i]];
  return widened;
}

/** The scales of a matrix: `data` `[rows, columns]`, each for a tile of `height` by `width` values. */
export interface TileScales {
  readonly data: Float32Array;
  readonly columns: number;
  readonly height: number;
  readonly width: number;
}

/**
 * The scales of an FP8 matrix `[outputs, inputs]`: one, one an output, or one a tile.
 * @param tile outputs and inputs of a tile, from config.json
 * @throws CheckpointError `tensor_shape` where tiles do not cover the matrix
 */
export function readTileScales(
  parts: PartReader,
  outputs: number,
  inputs: number,
  tile: readonly [number, number] | undefined,
): TileScales {
  const part = FP8_PARTS.find((name) => parts.has(name)) ?? FP8_PARTS[0];
  const { file, storedName, shape } = parts.find(part);
  const data = parts.floats(part, shape);
  const [rows, columns] = shape.length === 2 ? shape : shape.length === 1 ? [shape[0], 1] : [1, 1];
  const covers = tile !== undefined && Math.ceil(outputs / tile[0]) === rows && Math.ceil(inputs / tile[1]) === columns;
  const [height, width] = covers ? tile : [outputs / rows, inputs / columns];
  if (shape.length > 2 || !Number.isInteger(height) || !Number.isInteger(width)) {
    throw new CheckpointError(
      'tensor_shape',
      `${file}: ${storedName} is [${shape.join(', ')}], which does not divide a matrix of [${outputs}, ${inputs}]`,
    );
  }
  return { data, columns, height, width };
}

/** Multiplies rows of a matrix by their scales, in place. @param firstRow of `matrix` within the whole one */
export function applyTileScales(matrix: Float32Array, inputs: number, firstRow: number, scales: TileScales): void {
  const rows = matrix.length / inputs;
  for (let row = 0; row < rows; row++) {
    const start = Math.floor((firstRow + row) / scales.height) * scales.columns;
    for (let input = 0; input < inputs; input++) {
      matrix[row * inputs + input] *= scales.data[start + Math.floor(input / scales.width)];
    }
  }
}
