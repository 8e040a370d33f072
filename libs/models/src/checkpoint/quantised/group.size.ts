import { CheckpointError } from '../checkpoint.error.js';
import type { NamedTensor } from './part.reader.js';

/** How a row of a matrix is cut: `size` inputs share a scale, of which the graph makes blocks. */
export interface Groups {
  readonly size: number;
  readonly count: number;
  readonly blockSize: number;
}

/** The least that `MatMulNBits` takes, and the most that every provider does. */
const BLOCK = { least: 16, most: 128 } as const;

/** Inputs of a block: the most that divide a group. A group that is all of a row needs no dividing. Undefined where there is none. */
function blockSizeOf(groupSize: number, inputs: number): number | undefined {
  if (groupSize >= inputs) return BLOCK.most;
  let size: number = BLOCK.most;
  while (size >= BLOCK.least && groupSize % size !== 0) size /= 2;
  return size < BLOCK.least ? undefined : size;
}

/**
 * Inputs that share a scale: what config.json says where the scales agree, else (it may name others for single matrices) what follows
 * from their number.
 * @param scales the stored scales, for messages
 * @throws CheckpointError `tensor_shape` where neither fits, `unsupported_feature` for groups that cannot be cut into blocks
 */
export function groupsOf(inputs: number, count: number, configured: number | undefined, scales: NamedTensor): Groups {
  const fits = configured !== undefined && configured > 0 && Math.ceil(inputs / configured) === count;
  const size = fits ? configured : inputs / count;
  if (!Number.isInteger(size)) {
    throw new CheckpointError(
      'tensor_shape',
      `${scales.file}: ${scales.storedName} has ${count} groups, which do not divide ${inputs} inputs`,
    );
  }
  const blockSize = blockSizeOf(size, inputs);
  if (blockSize === undefined) {
    throw new CheckpointError(
      'unsupported_feature',
      `${scales.file}: ${scales.storedName} has groups of ${size}; supported are multiples of 16`,
    );
  }
  return { size, count, blockSize };
}
