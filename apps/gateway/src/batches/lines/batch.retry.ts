import { MadakvError, retryBatchId, type BatchObject, type BatchRecord } from '@madakv/contracts';
import { hasEnded, Records } from '@madakv/records';
import { scanLines, StorageError, type FileInfo, type FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import { FilesService } from '../../files/files.service.js';
import { STORE } from '../../gateway.tokens.js';
import { BatchesService } from '../batches.service.js';
import { BatchLinesService } from './batch.lines.service.js';
import { retriesAfter } from './retry.chain.js';

/** Longest line that is copied, in bytes. */
const MAX_LINE_BYTES = 100 * 1024 ** 2;
/** Pairs that metadata has at most. */
const MAX_PAIRS = 16;
/** Retries that a batch has at most: each look at its lines looks at all of them. */
const MAX_RETRIES = 100;

/**
 * Asks once more what failed: a batch of its own, of those lines only, which keep their numbers. Of what failed of that one,
 * whichever of them is asked for, the next is made; so no line is ever asked by two at once, or after it was answered.
 */
@Injectable()
export class BatchRetry {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(BatchLinesService) private readonly lines: BatchLinesService,
    @Inject(BatchesService) private readonly batches: BatchesService,
    @Inject(FilesService) private readonly files: FilesService,
    @Inject(STORE) private readonly store: FileStore,
  ) {}

  /**
   * Two who ask at once, or one who asks twice, get the same batch: the last retry, as long as it runs or all of it was answered.
   * @throws MadakvError not_found; conflict where nothing failed, or what it takes is gone
   */
  async retry(tenant: string, id: string): Promise<BatchObject> {
    const { record } = await this.lines.ended(tenant, id);
    const firstId = record.retryOf ?? id;
    const first = await this.records.batches.find(tenant, firstId);
    if (first === undefined)
      throw new MadakvError('not_found', `No batch found with id '${firstId}'.`, { param: 'id' });
    const made = await retriesAfter(this.records.batches, first);
    const last = made.at(-1);
    if (last !== undefined && !hasEnded(last.object.status)) return this.batches.get(tenant, last.object.id);
    const failed = await this.failedOf(tenant, [first, ...made]);
    if (failed.lines.size === 0) {
      const { source } = failed;
      const allAnswered = source.object.request_counts.failed === 0;
      if (allAnswered && last !== undefined && last.object.id !== id) return this.batches.get(tenant, last.object.id);
      throw nothingFailed(source);
    }
    if (made.length >= MAX_RETRIES) {
      throw new MadakvError(
        'conflict',
        `${firstId} has been retried ${made.length} times; the limit is ${MAX_RETRIES}.`,
        {
          param: 'id',
        },
      );
    }
    const { retries: named = [] } = first;
    const nth = named.at(-1) === last?.object.id ? named.length : named.length - 1;
    const next = { id: retryBatchId(firstId, nth), of: firstId };
    // It is named before it is made: one that its gateway did not live to make is made by whoever asks next.
    await this.records.batches.update(firstId, (found) => {
      const { retries = [] } = found;
      return retries.includes(next.id) ? undefined : { ...found, retries: [...retries, next.id] };
    });
    return this.make(tenant, id, failed, await this.inputOf(first, failed.source), next);
  }

  /**
   * What failed of the last batch of a chain that ran. One that was refused as a whole, or that ended before it began, has
   * asked nothing; where the first ended so, that is all of it.
   */
  private async failedOf(tenant: string, chain: readonly BatchRecord[]): Promise<FailedLines> {
    const source = chain.findLast((record) => hasBegun(record)) ?? chain[0];
    const { index } = await this.lines.ended(tenant, source.object.id);
    const unasked = !hasBegun(source) && source.object.status !== 'failed';
    // A line that is none, or too long, would fail again the same way, but that is for its owner to see.
    return { source, lines: new Set(index.find({ status: unasked ? 'unknown' : 'failed' }).map(({ line }) => line)) };
  }

  /**
   * The first batch's input has all lines of the chain; a retry's has those that it asked.
   * @throws MadakvError conflict where both are gone
   */
  private async inputOf(first: BatchRecord, source: BatchRecord): Promise<FileInfo> {
    const found = (await this.store.head(first.inputKey)) ?? (await this.store.head(source.inputKey));
    if (found === undefined) throw inputGone();
    return found;
  }

  private async make(
    tenant: string,
    id: string,
    { source, lines }: FailedLines,
    input: FileInfo,
    next: { readonly id: string; readonly of: string },
  ): Promise<BatchObject> {
    const content = this.copied(input.key, lines);
    // Blank lines are no longer than those they stand for; the last may have had no newline.
    const maxBytes = input.bytes + 1;
    const file = await this.files.writeInput(tenant, `${id}_retry.jsonl`, lines.size, content, maxBytes);
    const pairs = Object.entries(source.object.metadata ?? {}).filter(([name]) => name !== 'retry_of');
    const metadata = Object.fromEntries([...pairs.slice(0, MAX_PAIRS - 1), ['retry_of', id]]);
    const { endpoint, completion_window } = source.object;
    const seconds = source.outputExpirySeconds;
    const output_expires_after = seconds === undefined ? undefined : { anchor: 'created_at', seconds };
    const body = { input_file_id: file.id, endpoint, completion_window, metadata, output_expires_after };
    try {
      await this.batches.create(tenant, JSON.stringify(body), undefined, next);
      const stands = await this.batches.get(tenant, next.id);
      // Who asked at the same time was first.
      if (stands.input_file_id !== file.id) await this.files.delete(tenant, file.id);
      return stands;
    } catch (error) {
      await this.files.delete(tenant, file.id).catch(() => undefined);
      throw error;
    }
  }

  /** These lines, with blank ones where others stood: they keep their numbers. */
  private async *copied(key: string, lines: ReadonlySet<number>): AsyncGenerator<Uint8Array, void, undefined> {
    const pieces = await this.store.get(key).catch((error: unknown) => {
      if (!(error instanceof StorageError && error.code === 'not_found')) throw error;
      throw inputGone(error);
    });
    try {
      let next = 1;
      for await (const { line, content } of scanLines(pieces, { byte: 0, line: 1 }, MAX_LINE_BYTES)) {
        if (!lines.has(line) || content === undefined) continue;
        yield Buffer.concat([Buffer.alloc(line - next, '\n'), content, Buffer.from('\n')]);
        next = line + 1;
      }
    } finally {
      pieces.destroy();
    }
  }
}

interface FailedLines {
  readonly source: BatchRecord;
  readonly lines: ReadonlySet<number>;
}

/** Whether its lines were asked: each has a result then. */
function hasBegun({ object: { status, in_progress_at } }: BatchRecord): boolean {
  return status !== 'failed' && in_progress_at !== undefined;
}

function inputGone(cause?: unknown): MadakvError {
  return new MadakvError('conflict', 'The input file is gone: send its lines as a new batch.', { cause });
}

function nothingFailed(source: BatchRecord): MadakvError {
  const { id, request_counts, status } = source.object;
  if (!hasBegun(source) && status !== 'failed') return inputGone();
  const why =
    request_counts.failed === 0
      ? `No line of ${id} failed.`
      : `The error file of ${id} is gone: which of its lines failed is not known any more.`;
  return new MadakvError('conflict', why, { param: 'id' });
}
