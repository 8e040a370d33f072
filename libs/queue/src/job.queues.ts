import { BATCH_QUEUE, modelQueue, type BatchJob, type RequestJob, type RequestJobResult } from '@madakv/contracts';
import { FlowProducer, Queue, type FlowJob, type JobsOptions, type QueueOptions, type Telemetry } from 'bullmq';
import type { Redis } from 'ioredis';
import { batchJobOptions, requestJobOptions } from './job.options.js';

/** Names of the jobs in the batch queue. */
export const BATCH_JOBS = { run: 'run', expire: 'expire', sweep: 'sweep' } as const;

export interface JobQueuesOptions {
  /** A connection that stays the caller's: it is not closed here. */
  readonly connection: Redis;
  readonly prefix: string;
  readonly telemetry?: Telemetry;
}

/** What names a line's jobs. */
export type LineRef = Pick<RequestJob, 'model' | 'requestId'>;

export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
}

/** Adds and removes the jobs of the catalogue. Ids are the caller's, so adding twice is adding once. */
export class JobQueues {
  private readonly flows: FlowProducer;
  private readonly queues = new Map<string, Queue>();

  constructor(private readonly options: JobQueuesOptions) {
    this.flows = new FlowProducer(this.queueOptions());
    // The connection's owner hears of its errors.
    this.flows.on('error', () => undefined);
  }

  get batch(): Queue<BatchJob> {
    return this.queue(BATCH_QUEUE) as Queue<BatchJob>;
  }

  prepare(model: string): Queue<RequestJob, RequestJobResult> {
    return this.queue(modelQueue('prepare', model)) as Queue<RequestJob, RequestJobResult>;
  }

  generate(model: string): Queue<RequestJob, RequestJobResult> {
    return this.queue(modelQueue('generate', model)) as Queue<RequestJob, RequestJobResult>;
  }

  /** A chat completion: before all lines of batches. */
  async addChat(job: RequestJob): Promise<void> {
    await this.flows.add(requestFlow(job));
  }

  /** Starts a batch, and its end by time, in one step. @param expiresAtMs in milliseconds since 1970 */
  async addBatch(job: BatchJob, expiresAtMs: number): Promise<void> {
    const expiry: JobsOptions = {
      ...batchJobOptions(`${job.batchId}.expire`),
      delay: Math.max(0, expiresAtMs - Date.now()),
    };
    await this.batch.addBulk([
      { name: BATCH_JOBS.run, data: job, opts: batchJobOptions(job.batchId) },
      { name: BATCH_JOBS.expire, data: job, opts: expiry },
    ]);
  }

  /** Lets one worker look for what has become old, again and again. Calling it again changes the interval. */
  async scheduleSweeps(everyMs: number): Promise<void> {
    const queue: Queue = this.batch;
    const opts = { removeOnComplete: true, removeOnFail: true };
    await queue.upsertJobScheduler(BATCH_JOBS.sweep, { every: everyMs }, { name: BATCH_JOBS.sweep, data: {}, opts });
  }

  /** Sees to it that a batch's job is there and will run: adds it where it is lost, tries it again where it failed for good. */
  async resumeBatch(job: BatchJob): Promise<void> {
    const found = await this.batch.getJob(job.batchId);
    if (found === undefined) await this.batch.add(BATCH_JOBS.run, job, batchJobOptions(job.batchId));
    else if (await found.isFailed()) {
      await found.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
    }
  }

  /**
   * Lines of a batch, as children of its job, which must be active. One round trip. Add none that is there: its prepare job
   * may be done and gone, and would be added anew under a generate job that is running. BullMQ says nothing of a line that
   * it could not add: ask `absentLines` afterwards.
   * @param traceparentOf the trace that a line is to be in, where that is not the active one
   */
  async addLines(
    batchId: string,
    jobs: readonly RequestJob[],
    traceparentOf: (job: RequestJob) => string | undefined = () => undefined,
  ): Promise<void> {
    if (jobs.length === 0) return;
    const parent = { id: batchId, queue: this.batch.qualifiedName };
    await this.flows.addBulk(jobs.map((job) => requestFlow(job, parent, traceparentOf(job))));
  }

  /** Those lines that are in no queue: never added, or ended. */
  async absentLines<Line extends LineRef>(lines: readonly Line[]): Promise<Line[]> {
    if (lines.length === 0) return [];
    const pipeline = this.options.connection.pipeline();
    for (const { model, requestId } of lines) pipeline.exists(this.generate(model).toKey(requestId));
    const replies = (await pipeline.exec()) ?? [];
    for (const [error] of replies) if (error !== null) throw error;
    return lines.filter((_, i) => replies[i][1] === 0);
  }

  /** Takes a request out of its queues. @returns false where somebody works on it; it stays then */
  async removeRequest(model: string, requestId: string): Promise<boolean> {
    return (await this.generate(model).remove(requestId, { removeChildren: true })) === 1;
  }

  /** Takes a batch's lines that nobody works on yet out of the queues; its job goes on when the others have ended. */
  async removeWaitingLines(batchId: string): Promise<void> {
    const job = await this.batch.getJob(batchId);
    await job?.removeUnprocessedChildren();
  }

  async counts(queue: Queue): Promise<QueueCounts> {
    const counts = await queue.getJobCounts('wait', 'prioritized', 'active', 'delayed');
    const of = (name: string): number => counts[name] ?? 0;
    return { waiting: of('wait') + of('prioritized'), active: of('active'), delayed: of('delayed') };
  }

  async close(): Promise<void> {
    await Promise.all([this.flows.close(), ...[...this.queues.values()].map((queue) => queue.close())]);
  }

  private queue(name: string): Queue {
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = new Queue(name, this.queueOptions());
      queue.on('error', () => undefined);
      this.queues.set(name, queue);
    }
    return queue;
  }

  private queueOptions(): QueueOptions {
    const { connection, prefix, telemetry } = this.options;
    return { connection, prefix, ...(telemetry === undefined ? {} : { telemetry }) };
  }
}

function requestFlow(
  job: RequestJob,
  parent?: { readonly id: string; readonly queue: string },
  traceparent?: string,
): FlowJob {
  const telemetry = traceparent === undefined ? {} : { telemetry: { metadata: JSON.stringify({ traceparent }) } };
  const options = { ...requestJobOptions(job), ...telemetry };
  return {
    name: 'generate',
    queueName: modelQueue('generate', job.model),
    data: job,
    opts: { ...options, ...(parent === undefined ? {} : { parent: { ...parent } }) },
    children: [{ name: 'prepare', queueName: modelQueue('prepare', job.model), data: job, opts: options }],
  };
}
