import { CheckpointError } from '../checkpoint.error.js';
import { readOrder, reorderColumns } from './group.order.js';
import { groupsOf } from './group.size.js';
import { packedMatrix, type MatrixLayout, type PackedMatrix } from './packed.matrix.js';
import type { PartReader } from './part.reader.js';

export const COMPRESSED_PARTS = [
  'weight_packed',
  'weight_scale',
  'weight_zero_point',
  'weight_shape',
  'weight_g_idx',
] as const;

export interface CompressedFormat {
  readonly groupSize: number | undefined;
  readonly isSymmetric: boolean;
}

/**
 * A matrix as compressed-tensors' `pack-quantized` has it: `weight_packed` `[outputs, ceil(inputs * bits / 32)]` with the lowest input lowest and
 * codes moved up into 0 to `2^bits - 1`, `weight_scale` `[outputs, groups]`, and where it is not symmetric `weight_zero_point`
 * `[ceil(outputs * bits / 32), groups]`, packed along the outputs.
 * @see https://github.com/neuralmagic/compressed-tensors
 * @throws CheckpointError
 */
export function readCompressed(
  parts: PartReader,
  outputs: number,
  inputs: number,
  format: CompressedFormat,
): PackedMatrix {
  const { bits, groups, order } = compressedLayout(parts, outputs, inputs, format);
  const rows = new Uint8Array(parts.words('weight_packed', [outputs, (inputs * bits) / 32]).buffer);
  return packedMatrix(
    {
      bits,
      outputs,
      inputs,
      groupSize: groups.size,
      rows: order === undefined ? rows : reorderColumns(rows, outputs, order, bits),
      scales: parts.floats('weight_scale', [outputs, groups.count]),
      zeroPoints: format.isSymmetric
        ? new Uint8Array(outputs * groups.count).fill(2 ** (bits - 1))
        : zeroPointsOf(parts, outputs, groups.count, bits),
      order,
    },
    groups.blockSize,
  );
}

/** Checks a matrix without reading it. @throws CheckpointError */
export function compressedLayout(
  parts: PartReader,
  outputs: number,
  inputs: number,
  format: CompressedFormat,
): MatrixLayout {
  const bits = bitsOf(parts, inputs);
  const scales = parts.find('weight_scale');
  const groups = groupsOf(inputs, scales.shape[1] ?? 0, format.groupSize, scales);
  parts.check('words', { weight_packed: [outputs, (inputs * bits) / 32] });
  if (!format.isSymmetric) parts.check('words', { weight_zero_point: [Math.ceil((outputs * bits) / 32), groups.count] });
  parts.check('floats', { weight_scale: [outputs, groups.count] });
  return { bits, groups, order: readOrder(parts, 'weight_g_idx', inputs, groups.size) };
}

function bitsOf(parts: PartReader, inputs: number): 4 | 8 {
  const { file, storedName, shape } = parts.find('weight_packed');
  const bits = ((shape[1] ?? 0) * 32) / inputs;
  if (bits === 4 || bits === 8) return bits;
  throw new CheckpointError(
    'unsupported_feature',
    `${file}: ${storedName} is [${shape.join(', ')}]; supported are 4 and 8 bits of ${inputs} inputs`,
  );
}

/** @returns `[outputs, groups]` */
function zeroPointsOf(parts: PartReader, outputs: number, groups: number, bits: 4 | 8): Uint8Array {
  const each = 32 / bits;
  const words = parts.words('weight_zero_point', [Math.ceil(outputs / each), groups]);
  const codes = new Uint8Array(outputs * groups);
  for (let output = 0; output < outputs; output++) {
    for (let group = 0; group < groups; group++) {
      const word = words[Math.floor(output / each) * groups + group];
      codes[output * groups + group] = (word >>> (bits * (output % each))) & (2 ** bits - 1);
    }
  }
  return codes;
}
