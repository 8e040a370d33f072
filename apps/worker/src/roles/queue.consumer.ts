import { MAX_STALLED } from '@madakv/contracts';
import { Processor, WorkerHost } from '@nestjs/bullmq';
import type { Type } from '@nestjs/common';
import type { Job, WorkerOptions } from 'bullmq';

/** What works on the jobs of a queue. */
export interface JobHandler {
  process(job: Job, token: string | undefined): Promise<unknown>;
}

export interface ConsumerOptions {
  readonly queue: string;
  readonly concurrency: number;
  /** Milliseconds. */
  readonly lockMs: number;
  readonly stalledMs: number;
  /** Workers that may die over one job. */
  readonly maxStalled?: number;
}

/** Takes jobs of one queue and gives them to its handler. It takes nothing before it is told to run. */
export abstract class QueueConsumer extends WorkerHost {
  constructor(private readonly handler: JobHandler) {
    super();
  }

  process(job: Job, token?: string): Promise<unknown> {
    return this.handler.process(job, token);
  }
}

/**
 * A consumer as Nest hosts them. Queues are named after models, and options come from settings, so the class is made for
 * them. Locks are renewed on this thread's event loop, which nothing blocks.
 */
export function queueConsumer({
  queue,
  concurrency,
  lockMs,
  stalledMs,
  maxStalled,
}: ConsumerOptions): Type<QueueConsumer> {
  const options: Omit<WorkerOptions, 'connection'> = {
    autorun: false,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: stalledMs,
    maxStalledCount: maxStalled ?? MAX_STALLED,
  };
  @Processor(queue, options as WorkerOptions)
  class Consumer extends QueueConsumer {}
  return Consumer;
}
