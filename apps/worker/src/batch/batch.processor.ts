import { storeKeys, type BatchError, type BatchJob, type BatchObject, type BatchRecord } from '@madakv/contracts';
import { BATCH_JOBS, type JobQueues } from '@madakv/queue';
import { BatchControl, hasEnded, type Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { withSpan } from '@madakv/telemetry';
import { WaitingChildrenError, type Job } from 'bullmq';
import { BatchExpansion } from './batch.expansion.js';
import { BatchInput, InputFileMissing } from './batch.input.js';
import { BatchOrder } from './batch.order.js';
import { BatchResultWriter } from './batch.results.js';
import { checkSize, fileError, validateLines, type Validation } from './batch.validation.js';
import { reserveBatch } from './batch.reservation.js';
import { lineTokens } from './line.tokens.js';
import { SchemaFields } from './schema.fields.js';
import { UploadCache } from './upload.cache.js';
import { WebhookAnnouncer } from '../webhook/index.js';
import { deleteAll } from './stored.files.js';

export interface BatchProcessorOptions {
  readonly records: Records;
  readonly queues: JobQueues;
  readonly store: FileStore;
  /** Lines of one batch after which no more groups are put into the queues at a time. */
  readonly windowLines: number;
  /** Lines about one document that are answered together at most. */
  readonly groupLines: number;
  readonly maxLineBytes: number;
  /** Told of lines that were in the queues and have come to nothing, as when their batch was cancelled. */
  readonly onUnanswered?: (requestId: string) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** The part of a BullMQ job that a step of a batch uses. */
export type BatchJobHandle = Pick<Job<BatchJob>, 'name' | 'data' | 'moveToWaitingChildren'>;

/**
 * Runs the jobs of the batch queue. What has to be done next stands in the batch's record only, so a process may die
 * anywhere: the next one reads the record and goes on.
 *
 *   validating   read the whole input file, and reserve what its lines may come to of the tenant's tokens
 *   in_progress  put the lines in order; wait for those in the queues; then add the next window, or go on to finalizing
 *   an ending    take waiting lines out of the queues, wait for the running ones; then write the files
 *   finalizing   close it, give back what is still reserved, write output and error file
 *   ended        tell webhooks, and delete what is not needed any more
 */
export class BatchProcessor {
  private readonly records: Records;
  private readonly queues: JobQueues;
  private readonly store: FileStore;
  private readonly input: BatchInput;
  private readonly schemas = new SchemaFields();
  private readonly expansion: BatchExpansion;
  private readonly results: BatchResultWriter;
  private readonly control: BatchControl;
  private readonly announcer: WebhookAnnouncer;
  private readonly now: () => number;
  private readonly onUnanswered: (requestId: string) => void;

  constructor(options: BatchProcessorOptions) {
    const { records, queues, store, windowLines, groupLines, maxLineBytes } = options;
    const { onUnanswered = () => undefined, now = Date.now } = options;
    this.records = records;
    this.queues = queues;
    this.store = store;
    this.now = now;
    this.input = new BatchInput(store, maxLineBytes);
    const order = new BatchOrder(store, records.files, records.models, this.input, groupLines, this.schemas);
    this.expansion = new BatchExpansion(records, queues, order, windowLines);
    this.results = new BatchResultWriter(records.files, records.outcomes, store, this.input);
    this.onUnanswered = onUnanswered;
    this.announcer = new WebhookAnnouncer(records, queues);
    this.control = new BatchControl(records.batches, records.cancellations, queues, now);
  }

  /**
   * @param token of the job's lock
   * @throws WaitingChildrenError when the job waits for lines: BullMQ runs it again when they have ended
   */
  async process(job: BatchJobHandle, token: string | undefined, signal?: AbortSignal): Promise<void> {
    const { batchId } = job.data;
    if (job.name === BATCH_JOBS.expire) {
      if ((await this.records.batches.get(batchId)) !== undefined) await this.control.expire(batchId);
      return;
    }
    let record = await this.records.batches.get(batchId);
    while (record !== undefined && !hasEnded(record.object.status)) {
      signal?.throwIfAborted();
      record = await this.step(record, job, token, signal);
    }
    await this.announcer.announce(batchId);
    await this.cleanUp(batchId, job.data.tenant);
  }

  /** @returns the record as it stands afterwards */
  private async step(
    record: BatchRecord,
    job: BatchJobHandle,
    token: string | undefined,
    signal?: AbortSignal,
  ): Promise<BatchRecord | undefined> {
    const { id, status } = record.object;
    try {
      if (status === 'finalizing') return await this.finish(record, signal);
      if (record.ending !== null) {
        await this.queues.removeWaitingLines(id);
        await waitForLines(job, token);
        return await (status === 'in_progress' ? this.beginFinalizing(record) : this.finish(record, signal));
      }
      if (status === 'validating') return await this.validate(record, signal);
      await waitForLines(job, token);
      if (!(await this.expansion.expand(record, signal))) return await this.beginFinalizing(record);
      return await this.records.batches.get(id);
    } catch (error) {
      if (error instanceof InputFileMissing)
        return await this.fail(record, [fileError('input_file_missing', error.message)]);
      throw error;
    }
  }

  private async validate(record: BatchRecord, signal?: AbortSignal): Promise<BatchRecord | undefined> {
    const { id } = record.object;
    const tooLarge = checkSize(await this.input.bytes(record));
    if (tooLarge !== undefined) return this.fail(record, [tooLarge]);
    const known = await this.records.models.list();
    const models = new Set(known.map((model) => model.id));
    const uploads = new UploadCache(this.records.files, record.tenant);
    const tokensOf = lineTokens(known, uploads, this.schemas);
    const lines = this.input.lines(record, { byte: 0, line: 1 }, signal);
    const found = await validateLines(lines, { models, maxLineBytes: this.input.maxLineBytes, uploads, tokensOf });
    if (found.state === 'invalid') return this.fail(record, found.errors);
    // Reading a large file takes minutes: who has cancelled it meanwhile is not told of a limit.
    const now = await this.records.batches.get(id);
    if (now?.ending !== null || now.object.status !== 'validating') return now;
    const refused = await reserveBatch(this.records.quota, record, found.tokens);
    return refused === undefined ? this.start(id, found) : this.fail(record, [refused]);
  }

  private start(id: string, { total, model }: Extract<Validation, { state: 'valid' }>): Promise<BatchRecord> {
    return this.records.batches.update(id, (found) => {
      if (found.object.status !== 'validating' || found.ending !== null) return undefined;
      const counts = { total, completed: 0, failed: 0 };
      const started = { status: 'in_progress', in_progress_at: this.seconds(), request_counts: counts } as const;
      return { ...found, object: { ...found.object, ...started, ...(model === undefined ? {} : { model }) } };
    });
  }

  private beginFinalizing({ object, ending }: BatchRecord): Promise<BatchRecord> {
    return this.records.batches.update(object.id, (found) =>
      found.object.status === 'in_progress' && found.ending === ending
        ? { ...found, object: { ...found.object, status: 'finalizing', finalizing_at: this.seconds() } }
        : undefined,
    );
  }

  /** Closes the batch, writes its files, and ends it. One that ends before it was validated has none. */
  private finish(record: BatchRecord, signal?: AbortSignal): Promise<BatchRecord> {
    const attributes = { batchId: record.object.id, tenant: record.tenant };
    return withSpan('finalize', { attributes }, () => this.writeAndEnd(record, signal));
  }

  private async writeAndEnd(record: BatchRecord, signal?: AbortSignal): Promise<BatchRecord> {
    const { id, in_progress_at } = record.object;
    await this.records.outcomes.closeLines(id);
    // No line gives anything back from here on; who sees that the batch has ended shall find room for the next.
    await this.records.quota.release(record.tenant, id);
    for (const requestId of await this.expansion.unanswered(record)) this.onUnanswered(requestId);
    const results = in_progress_at === undefined ? {} : await this.results.write(record, signal);
    return this.records.batches.update(id, (found) =>
      hasEnded(found.object.status)
        ? undefined
        : { ...found, object: { ...found.object, ...results, ...this.ended(found) } },
    );
  }

  private ended({ ending }: BatchRecord): Pick<BatchObject, 'status' | 'completed_at' | 'expired_at' | 'cancelled_at'> {
    const at = this.seconds();
    if (ending === 'cancelled') return { status: 'cancelled', cancelled_at: at };
    if (ending === 'expired') return { status: 'expired', expired_at: at };
    return { status: 'completed', completed_at: at };
  }

  /** Ends it with errors. One that is to end in another way before its lines are run does so. */
  private async fail({ tenant, object: { id } }: BatchRecord, errors: readonly BatchError[]): Promise<BatchRecord> {
    await this.records.quota.release(tenant, id);
    return this.records.batches.update(id, (found) =>
      hasEnded(found.object.status) || (found.ending !== null && found.object.in_progress_at === undefined)
        ? undefined
        : {
            ...found,
            object: {
              ...found.object,
              status: 'failed',
              failed_at: this.seconds(),
              errors: { object: 'list', data: [...errors] },
            },
          },
    );
  }

  /** Deletes what lay between input and output; traces stay. */
  private async cleanUp(batchId: string, tenant: string): Promise<void> {
    // Closed first: a validator that stalled over its reservation makes none any more.
    await this.records.outcomes.closeLines(batchId);
    await this.records.quota.release(tenant, batchId);
    await deleteAll(this.store, storeKeys.request(`${batchId}_`));
    await this.records.outcomes.forgetLines(batchId);
    await this.queues.batch.remove(`${batchId}.expire`);
  }

  private seconds(): number {
    return Math.floor(this.now() / 1_000);
  }
}

/** Returns when no line of the batch is in a queue or running. @throws WaitingChildrenError otherwise */
async function waitForLines(job: BatchJobHandle, token: string | undefined): Promise<void> {
  if (await job.moveToWaitingChildren(token ?? '')) throw new WaitingChildrenError();
}
