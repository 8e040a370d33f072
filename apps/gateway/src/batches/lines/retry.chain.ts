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

/** What later batches of a chain have answered of what failed in one of them. */
export class LaterAnswers {
  constructor(private readonly retries: readonly EndedBatch[]) {}

  /** @returns the batch that answered a failed line: one at most has, as no other asks it after that */
  of({ line, status }: IndexedLine): EndedBatch | undefined {
    if (status !== 'failed') return undefined;
    return this.retries.find(({ index }) => index.get(line)?.status === 'completed');
  }

  /** All results of a batch, with those of the retries in place of its failures. */
  join(batch: EndedBatch): ResultSource[] {
    const answers = new Map<number, EndedBatch>();
    for (const entry of batch.index.lines) {
      const answer = this.of(entry);
      if (answer !== undefined) answers.set(entry.line, answer);
    }
    // Of the others nothing is needed, be their files there or not.
    const answering = new Set(answers.values());
    const needed = this.retries.filter((retry) => answering.has(retry));
    return [
      { ...batch, tells: (line) => !answers.has(line) },
      ...needed.map((retry) => ({
        ...retry,
        tells: (line: number) => answers.get(line) === retry,
        isRetry: true,
      })),
    ];
  }
}
