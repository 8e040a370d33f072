import { BATCH_QUEUE, modelQueue, type BatchJob, type RequestJob, type RequestJobResult } from '@madakv/contracts';
import { FlowProducer, Queue, type FlowJob, type QueueOptions, type Telemetry } from 'bullmq';
import type { Redis } from 'ioredis';
import { batchJobOptions, requestJobOptions } from './job.options.js';

/** Names of the jobs in the batch queue. */
export const BATCH_JOBS = { run: 'run', expire: 'expire' } as const;

export interface JobQueuesOptions {
  /** A connection that stays the caller's: it is not closed here. */
  readonly connection: Redis;
  readonly prefix: string;
  readonly telemetry?: Telemetry;
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

  /** Starts a batch, and its end by time. @param expiresAtMs in milliseconds since 1970 */
  async addBatch(job: BatchJob, expiresAtMs: number): Promise<void> {
    await this.batch.add(BATCH_JOBS.run, job, batchJobOptions(job.batchId));
    await this.batch.add(BATCH_JOBS.expire, job, {
      ...batchJobOptions(`${job.batchId}.expire`),
      delay: Math.max(0, expiresAtMs - Date.now()),
      removeOnComplete: true,
    });
  }

  /** Lines of a batch, as children of its job, which must be active. One round trip. */
  async addLines(batchId: string, jobs: readonly RequestJob[]): Promise<void> {
    const parent = { id: batchId, queue: this.batch.qualifiedName };
    await this.flows.addBulk(jobs.map((job) => requestFlow(job, parent)));
  }

  /** Takes what nobody works on yet out of the queues. @returns whether anything was taken out */
  async removeRequest(model: string, requestId: string): Promise<boolean> {
    const generate = await this.generate(model).remove(requestId, { removeChildren: true });
    return generate > 0;
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
      // The connection's owner hears of its errors.
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

function requestFlow(job: RequestJob, parent?: { readonly id: string; readonly queue: string }): FlowJob {
  const options = requestJobOptions(job);
  return {
    name: 'generate',
    queueName: modelQueue('generate', job.model),
    data: job,
    opts: { ...options, ...(parent === undefined ? {} : { parent: { ...parent } }) },
    children: [{ name: 'prepare', queueName: modelQueue('prepare', job.model), data: job, opts: options }],
  };
}
