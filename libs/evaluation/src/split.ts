import { createHash } from 'node:crypto';

/** Halves of the questions: options are tuned on one, figures come from the other. */
export const splits = ['all', 'tune', 'report'] as const;

export type Split = (typeof splits)[number];

/**
 * The half that a document belongs to, from a hash of its key: it stays there whatever else is added, left out or reordered.
 * Questions about one document are always in the same half.
 */
export function splitOf(documentKey: string): Exclude<Split, 'all'> {
  return (createHash('sha256').update(documentKey).digest()[0] & 1) === 0 ? 'tune' : 'report';
}

/** Whether a document takes part in a run on `split`. */
export function isInSplit(documentKey: string, split: Split): boolean {
  return split === 'all' || splitOf(documentKey) === split;
}
