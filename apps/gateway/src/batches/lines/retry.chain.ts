import type { BatchRecord } from '@madakv/contracts';
import type { BatchRepository } from '@madakv/records';
import type { ResultSource } from './batch.results.stream.js';
import type { IndexedLine, LineIndex } from './line.index.js';

/** A batch that will not change any more, with its lines. */
export interface EndedBatch {
  readonly record: BatchRecord;
  readonly index: LineIndex;
}

/**
 * A batch and its retries are a chain: each asks what failed of the one before, and a line has the same number in all of
 * them. The first names the others.
 * @returns those after the given one, in order; one that was named and never made is left out
 */
export async function retriesAfter(
  batches: Pick<BatchRepository, 'get'>,
  record: BatchRecord,
): Promise<readonly BatchRecord[]> {
  const first = record.retryOf === undefined ? record : await batches.get(record.retryOf);
  const ids = first?.retries ?? [];
  const later = ids.slice(ids.indexOf(record.object.id) + 1);
  const found = await Promise.all(later.map((id) => batches.get(id)));
  return found.filter((each) => each !== undefined);
}

/** By number: the batch that answered a line which failed in an earlier one. One at most has, as no other asks it after that. */
export type LaterAnswers = ReadonlyMap<number, string>;

/** What of a line may be answered by a retry; unknown is one that was never asked, or whose result is gone. */
export function isUnanswered({ status }: IndexedLine): boolean {
  return status === 'failed' || status === 'unknown';
}

/**
 * All results of a batch, with those of the retries in place of its failures.
 * @param answering the retries that `answers` names
 */
export function joinedResults(
  batch: EndedBatch,
  answers: LaterAnswers,
  answering: readonly EndedBatch[],
): ResultSource[] {
  return [
    { ...batch, tells: (line) => !answers.has(line) },
    ...answering.map((retry) => ({
      ...retry,
      tells: (line: number) => answers.get(line) === retry.record.object.id,
      isRetry: true,
    })),
  ];
}
