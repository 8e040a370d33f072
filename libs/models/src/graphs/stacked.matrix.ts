import type { PackedMatrix } from '../checkpoint/quantised/packed.matrix.js';

/**
 * Stacks matrices along their outputs, so that one product serves all.
 * @param matrices with as many inputs each; undefined for one that is not stored in codes
 * @returns undefined where they do not go together: other bits, blocks or orders, or one of them undefined
 */
export function stacked(matrices: readonly (PackedMatrix | undefined)[]): PackedMatrix | undefined {
  const all = matrices.filter((matrix) => matrix !== undefined);
  const [first, ...others] = all;
  if (all.length < matrices.length || !others.every((other) => goTogether(first, other))) return undefined;
  if (others.length === 0) return first;
  const { bits, inputs, blockSize, order } = first;
  const blocks = Math.ceil(inputs / blockSize);
  const isSymmetric = all.every(({ zeroPoints }) => zeroPoints === undefined);
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const middle = bits === 8 ? 128 : 0x88;
  const zeros = all.map(
    ({ zeroPoints, outputs }) => zeroPoints ?? new Uint8Array(isSymmetric ? 0 : outputs * zeroBytes).fill(middle),
  );
  return {
    bits,
    outputs: all.reduce((sum, { outputs }) => sum + outputs, 0),
    inputs,
    blockSize,
    packed: Buffer.concat(all.map(({ packed }) => packed)),
    scales: concatenated(all.map(({ scales }) => scales)),
    ...(isSymmetric ? {} : { zeroPoints: Buffer.concat(zeros) }),
    ...(order === undefined ? {} : { order }),
  };
}

export function sameOrder(first: Int32Array | undefined, second: Int32Array | undefined): boolean {
  if (first === undefined || second === undefined) return first === second;
  return first.length === second.length && first.every((input, at) => input === second[at]);
}

function goTogether(first: PackedMatrix, second: PackedMatrix): boolean {
  return first.bits === second.bits && first.blockSize === second.blockSize && sameOrder(first.order, second.order);
}

/** Values one after another. */
export function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
