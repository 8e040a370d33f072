import {
  BATCH_QUEUE,
  isGroupJob,
  modelQueue,
  WEBHOOK_QUEUE,
  type BatchJob,
  type ModelJob,
  type RequestJob,
  type RequestJobResult,
  type WebhookJob,
} from '@madakv/contracts';
import { FlowProducer, Queue, type FlowJob, type JobsOptions, type QueueOptions, type Telemetry } from 'bullmq';
import type { Redis } from 'ioredis';
import { batchJobOptions, modelJobOptions, webhookJobOptions } from './job.options.js';

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

export interface LineOptions {
  /** The trace that a line with jobs of its own is to be in, where that is not the active one. */
  readonly traceparentOf?: (job: RequestJob) => string | undefined;
  /** Pause before they are taken, in milliseconds. */
  readonly delayMs?: number;
  /** Prepare has done its work: only generate is left. */
  readonly prepared?: boolean;
}

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

  get webhook(): Queue<WebhookJob> {
    return this.queue(WEBHOOK_QUEUE) as Queue<WebhookJob>;
  }

  prepare(model: string): Queue<ModelJob, RequestJobResult> {
    return this.queue(modelQueue('prepare', model)) as Queue<ModelJob, RequestJobResult>;
  }

  generate(model: string): Queue<ModelJob, RequestJobResult> {
    return this.queue(modelQueue('generate', model)) as Queue<ModelJob, RequestJobResult>;
  }

  /** A chat completion: before all lines of batches. */
  async addChat(job: RequestJob): Promise<void> {
    await this.flows.add(modelFlow(job));
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

  /** Starts the attempts of a delivery, or does nothing where they go on. */
  async addDelivery(job: WebhookJob): Promise<void> {
    await this.webhook.add('deliver', job, webhookJobOptions(job));
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
   * Lines of a batch, single or in groups, as children of its job, which must not have ended. One round trip. Add none that is
   * there: its prepare job may be done and gone, and would be added anew under a generate job that is running. BullMQ says
   * nothing of a line that it could not add: ask `absentLines` afterwards.
   */
  async addLines(batchId: string, jobs: readonly ModelJob[], options: LineOptions = {}): Promise<void> {
    if (jobs.length === 0) return;
    const parent = { id: batchId, queue: this.batch.qualifiedName };
    await this.flows.addBulk(jobs.map((job) => modelFlow(job, { ...options, parent })));
  }

  /** Those lines that have no job of their own: never added, ended, or in a group's. */
  async absentLines<Line extends LineRef>(lines: readonly Line[]): Promise<Line[]> {
    const there = await this.exist(lines.map(({ model, requestId }) => ({ model, jobId: requestId })));
    return lines.filter((_, i) => !there[i]);
  }

  /** Whether those generate jobs are in their queues. One round trip. */
  async exist(jobs: readonly { readonly model: string; readonly jobId: string }[]): Promise<boolean[]> {
    if (jobs.length === 0) return [];
    const pipeline = this.options.connection.pipeline();
    for (const { model, jobId } of jobs) pipeline.exists(this.generate(model).toKey(jobId));
    const replies = (await pipeline.exec()) ?? [];
    for (const [error] of replies) if (error !== null) throw error;
    return replies.map(([, found]) => found === 1);
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

function modelFlow(
  job: ModelJob,
  {
    parent,
    traceparentOf = () => undefined,
    delayMs = 0,
    prepared = false,
  }: LineOptions & { readonly parent?: { readonly id: string; readonly queue: string } } = {},
): FlowJob {
  // A group's lines have traces of their own, which stand in its data.
  const traceparent = isGroupJob(job) ? undefined : traceparentOf(job);
  const telemetry = traceparent === undefined ? {} : { telemetry: { metadata: JSON.stringify({ traceparent }) } };
  const options = { ...modelJobOptions(job), ...telemetry };
  const delay = delayMs > 0 ? { delay: delayMs } : {};
  const { model } = job;
  const prepare = {
    name: 'prepare',
    queueName: modelQueue('prepare', model),
    data: job,
    opts: { ...options, ...delay },
  };
  return {
    name: 'generate',
    queueName: modelQueue('generate', model),
    data: job,
    opts: { ...options, ...(prepared ? delay : {}), ...(parent === undefined ? {} : { parent: { ...parent } }) },
    ...(prepared ? {} : { children: [prepare] }),
  };
}
