import { decodePositions, type GenerationResult } from '@madakv/engine';
import { expect } from 'vitest';
import { relativeError } from './engine.fixture.js';

/** Of first logits, relative: sums have other orders. */
const LOGIT_TOLERANCE = 1e-4;
/** Heads in which two tokens that score alike may have changed places, for the last bit of a sum decides between them. */
const CLOSE_HEADS = 1;

/**
 * Two computations of one request that divide its work differently: what is kept and what is answered is the same. Where the last bit
 * has decided otherwise which of two tokens is kept, as it may on a processor with other instructions, the answers may part.
 */
export function expectSameAnswer(one: GenerationResult, other: GenerationResult): void {
  const [logits, others] = [one, other].map(({ firstLogits }) => firstLogits ?? new Float32Array(0));
  expect(relativeError(logits, others)).toBeLessThan(LOGIT_TOLERANCE);
  expect(one.trace.layers.map(({ rows }) => rows)).toEqual(other.trace.layers.map(({ rows }) => rows));
  expect(bytesOf(one)).toEqual(bytesOf(other));
  const parted = partedHeads(one, other);
  for (const tokens of parted) expect(tokens).toBe(1);
  expect(parted.length).toBeLessThanOrEqual(CLOSE_HEADS);
  if (parted.length > 0) return;
  expect(one.tokenIds).toEqual(other.tokenIds);
  expect(one.text).toBe(other.text);
  expect(one.finishReason).toBe(other.finishReason);
  expect(one.trace.bytes.final).toBe(other.trace.bytes.final);
}

/** Bytes that do not depend on how long the answer is, nor on who else was answered at the time. */
function bytesOf({ trace: { bytes } }: GenerationResult): unknown {
  const { full, afterEviction } = bytes;
  return { full, afterEviction };
}

/** For each head that keeps other tokens in one than in the other, how many. */
function partedHeads(one: GenerationResult, other: GenerationResult): number[] {
  return one.trace.layers.flatMap(({ positions }, layer) =>
    positions.flatMap((text, head) => {
      const kept = new Set(decodePositions(other.trace.layers[layer].positions[head]));
      const missing = decodePositions(text).filter((position) => !kept.has(position)).length;
      return missing === 0 ? [] : [missing];
    }),
  );
}
