import { CheckpointError } from '../checkpoint.error.js';
import type { PartReader } from './part.reader.js';

/**
 * The order that puts inputs of one group beside each other, first group first, and keeps them in order within.
 * @param groupOf `[inputs]`: the group of each (`g_idx`, "act-order")
 * @returns undefined where a group has another number of inputs than `groupSize`, the last one than what is left
 */
export function groupOrder(groupOf: Int32Array, groupSize: number): Int32Array | undefined {
  const inputs = groupOf.length;
  const order = new Int32Array(inputs);
  const filled = new Int32Array(Math.ceil(inputs / groupSize));
  for (let input = 0; input < inputs; input++) {
    const group = groupOf[input];
    if (group < 0 || group >= filled.length) return undefined;
    const at = group * groupSize + filled[group]++;
    if (filled[group] > groupSize || at >= inputs) return undefined;
    order[at] = input;
  }
  return order;
}

/**
 * The order of a matrix with act-order.
 * @param part the stored groups of the inputs; the matrix may have none
 * @returns undefined where inputs are in order already
 * @throws CheckpointError `unsupported_feature` for groups of unequal numbers
 */
export function readOrder(parts: PartReader, part: string, inputs: number, groupSize: number): Int32Array | undefined {
  if (!parts.has(part)) return undefined;
  const order = groupOrder(parts.ints(part, [inputs]), groupSize);
  if (order === undefined) {
    const { file, storedName } = parts.find(part);
    throw new CheckpointError(
      'unsupported_feature',
      `${file}: ${storedName} does not put ${groupSize} inputs into each group, which act-order must here`,
    );
  }
  return order.every((input, at) => input === at) ? undefined : order;
}

/**
 * Sorts the columns of packed rows.
 * @param rows `[outputs, inputs * bits / 8]`, low nibble first
 * @param order `[inputs]`: which column comes at which place
 */
export function reorderColumns(rows: Uint8Array, outputs: number, order: Int32Array, bits: 4 | 8): Uint8Array {
  const rowBytes = (order.length * bits) / 8;
  const sorted = new Uint8Array(rows.length);
  for (let output = 0; output < outputs; output++) {
    const row = output * rowBytes;
    if (bits === 8) {
      for (let at = 0; at < order.length; at++) sorted[row + at] = rows[row + order[at]];
      continue;
    }
    for (let at = 0; at < order.length; at++) {
      const from = order[at];
      const code = (rows[row + (from >> 1)] >> (4 * (from & 1))) & 15;
      sorted[row + (at >> 1)] |= code << (4 * (at & 1));
    }
  }
  return sorted;
}
