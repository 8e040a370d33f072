import type { TensorSpec } from '@madakv/models';

/** Weights that share a scale: the default of `--block-size`. */
const BLOCK = 64;

/**
 * Bytes that the built graphs map into memory: the language model's matrices at `bits`, the rest as float32. The embedding matrix
 * is read from disk row by row, unless it is the output head as well.
 */
export function loadedBytes(specs: readonly TensorSpec[], tiedEmbeddings: boolean, bits: 32 | 8 | 4): number {
  const embedding = specs.find(({ name }) => name.includes('embed_tokens'));
  return specs.reduce((sum, spec) => {
    if (spec === embedding && !tiedEmbeddings) return sum;
    return sum + tensorBytes(spec.shape, isLanguage(spec.name) ? bits : 32);
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

function tensorBytes(shape: readonly number[], bits: 32 | 8 | 4): number {
  const values = valuesOf(shape);
  if (bits === 32 || shape.length < 2) return values * Float32Array.BYTES_PER_ELEMENT;
  const blocks = shape[0] * Math.ceil(values / shape[0] / BLOCK);
  return blocks * ((BLOCK * bits) / 8 + Float32Array.BYTES_PER_ELEMENT);
}
