import { groupsOf } from './group.size.js';
import { packedMatrix, type MatrixLayout, type PackedMatrix } from './packed.matrix.js';
import { turnNibbles, turnValues, unpackTurned } from './packed.words.js';
import type { PartReader } from './part.reader.js';

export const AWQ_PARTS = ['qweight', 'qzeros', 'scales'] as const;

/** The output, within its eight, that each nibble of a word is of, from the lowest nibble. */
const PLACES = [0, 2, 4, 6, 1, 3, 5, 7] as const;

/**
 * A matrix as AutoAWQ's `gemm` packs it, in 4 bits: `qweight` `[inputs, outputs / 8]` and `qzeros` `[groups, outputs / 8]`, both with the
 * outputs of a word interleaved, `scales` `[groups, outputs]`.
 * @see https://github.com/casper-hansen/AutoAWQ
 * @throws CheckpointError
 */
export function readAwq(parts: PartReader, outputs: number, inputs: number, groupSize: number | undefined): PackedMatrix {
  const { groups } = awqLayout(parts, outputs, inputs, groupSize);
  const words = parts.words('qweight', [inputs, outputs / 8]);
  return packedMatrix(
    {
      bits: 4,
      outputs,
      inputs,
      groupSize: groups.size,
      rows: turnNibbles(words, inputs, outputs, PLACES),
      scales: turnValues(parts.floats('scales', [groups.count, outputs]), groups.count),
      zeroPoints: unpackTurned(parts.words('qzeros', [groups.count, outputs / 8]), groups.count, 4, PLACES),
      order: undefined,
    },
    groups.blockSize,
  );
}

/** Checks a matrix without reading it. @throws CheckpointError */
export function awqLayout(parts: PartReader, outputs: number, inputs: number, groupSize: number | undefined): MatrixLayout {
  const scales = parts.find('scales');
  const groups = groupsOf(inputs, scales.shape[0] ?? 0, groupSize, scales);
  parts.check('words', { qweight: [inputs, outputs / 8], qzeros: [groups.count, outputs / 8] });
  parts.check('floats', { scales: [groups.count, outputs] });
  return { bits: 4, groups, order: undefined };
}
