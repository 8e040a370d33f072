import type { TensorSpec } from '@madakv/models';

/** Weights that share a scale: the default of `--block-size`. */
const BLOCK = 64;

/** How a matrix is stored in codes. */
export interface BitsOfTensor {
  readonly bits: 8 | 4;
  /** Weights that share a scale. */
  readonly blockSize: number;
}

/**
 * Bytes that the built graphs map into memory: the language model's matrices at `bits`, the rest as float32. The embedding matrix
 * is read from disk row by row, unless it is the output head as well.
 * @param stored what a checkpoint has in codes already: it stays as it is
 */
export function loadedBytes(
  specs: readonly TensorSpec[],
  tiedEmbeddings: boolean,
  bits: 32 | 8 | 4,
  stored: (spec: TensorSpec) => BitsOfTensor | undefined = () => undefined,
): number {
  const embedding = specs.find(({ name }) => name.includes('embed_tokens'));
  const asked = bits === 32 ? undefined : { bits, blockSize: BLOCK };
  return specs.reduce((sum, spec) => {
    if (spec === embedding && !tiedEmbeddings) return sum;
    return sum + tensorBytes(spec.shape, stored(spec) ?? (isLanguage(spec.name) ? asked : undefined));
  }, 0);
}

/** Whether a tensor is the language model's, by its normalised name. */
export function isLanguage(name: string): boolean {
  return name.startsWith('decoder.') || name.startsWith('lm_head');
}

/** How many values a tensor of this shape has. */
export function valuesOf(shape: readonly number[]): number {
  return shape.reduce((values, dim) => values * dim, 1);
}

function tensorBytes(shape: readonly number[], codes: BitsOfTensor | undefined): number {
  const values = valuesOf(shape);
  if (codes === undefined || shape.length < 2) return values * Float32Array.BYTES_PER_ELEMENT;
  const blocks = shape[0] * Math.ceil(values / shape[0] / codes.blockSize);
  return blocks * ((codes.blockSize * codes.bits) / 8 + Float32Array.BYTES_PER_ELEMENT);
}
