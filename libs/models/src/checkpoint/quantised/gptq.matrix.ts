import { CheckpointError } from '../checkpoint.error.js';
import { readOrder, reorderColumns } from './group.order.js';
import { groupsOf } from './group.size.js';
import { packedMatrix, type MatrixLayout, type PackedMatrix } from './packed.matrix.js';
import { turnValues, turnWords, unpackTurned } from './packed.words.js';
import type { PartReader } from './part.reader.js';

export const GPTQ_PARTS = ['qweight', 'qzeros', 'scales', 'g_idx'] as const;

export interface GptqFormat {
  readonly groupSize: number | undefined;
  /** What is stored of a zero point: itself (`gptq_v2`), or one less (`gptq`). */
  readonly zeroPoints: 'same' | 'one less';
}

/** One in every code of a word. */
const ONES = { 4: 0x11111111, 8: 0x01010101 } as const;

/**
 * A matrix as AutoGPTQ and GPTQModel pack it: `qweight` `[inputs * bits / 32, outputs]` with the lowest input lowest, `qzeros`
 * `[groups, outputs * bits / 32]`, `scales` `[groups, outputs]`, and with act-order `g_idx` `[inputs]`, the group of each input.
 * @see https://github.com/ModelCloud/GPTQModel
 * @throws CheckpointError
 */
export function readGptq(parts: PartReader, outputs: number, inputs: number, format: GptqFormat): PackedMatrix {
  const { bits, groups, order } = gptqLayout(parts, outputs, inputs, format);
  const turned = turnWords(parts.words('qweight', [(inputs * bits) / 32, outputs]), outputs);
  const zeros = parts.words('qzeros', [groups.count, (outputs * bits) / 32]);
  // As a sum of whole words, which is how a zero point of 0 was taken one from.
  if (format.zeroPoints === 'one less') for (let i = 0; i < zeros.length; i++) zeros[i] += ONES[bits];
  return packedMatrix(
    {
      bits,
      outputs,
      inputs,
      groupSize: groups.size,
      rows: order === undefined ? turned : reorderColumns(turned, outputs, order, bits),
      scales: turnValues(parts.floats('scales', [groups.count, outputs]), groups.count),
      zeroPoints: unpackTurned(zeros, groups.count, bits),
      order,
    },
    groups.blockSize,
  );
}

/** Checks a matrix without reading it. @throws CheckpointError */
export function gptqLayout(parts: PartReader, outputs: number, inputs: number, format: GptqFormat): MatrixLayout {
  const bits = bitsOf(parts, inputs);
  const scales = parts.find('scales');
  const groups = groupsOf(inputs, scales.shape[0] ?? 0, format.groupSize, scales);
  parts.check('words', { qweight: [(inputs * bits) / 32, outputs], qzeros: [groups.count, (outputs * bits) / 32] });
  parts.check('floats', { scales: [groups.count, outputs] });
  return { bits, groups, order: readOrder(parts, 'g_idx', inputs, groups.size) };
}

/** What the shape says: single matrices may have other bits than config.json. */
function bitsOf(parts: PartReader, inputs: number): 4 | 8 {
  const { file, storedName, shape } = parts.find('qweight');
  const bits = ((shape[0] ?? 0) * 32) / inputs;
  if (bits === 4 || bits === 8) return bits;
  if ([2, 3].includes(bits)) {
    throw new CheckpointError('unsupported_feature', `${file}: ${storedName} has ${bits} bits; supported are 4 and 8`);
  }
  throw new CheckpointError(
    'tensor_shape',
    `${file}: ${storedName} is [${shape.join(', ')}], which are not 4 or 8 bits of ${inputs} inputs`,
  );
}
