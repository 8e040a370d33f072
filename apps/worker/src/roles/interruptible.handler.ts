import { MadakvError } from '@madakv/contracts';
import { DelayedError, type Job } from 'bullmq';
import type { JobHandler } from './queue.consumer.js';

/** Work whose steps can be repeated. */
export interface InterruptibleWork {
  process(job: Job, token: string | undefined, signal: AbortSignal): Promise<void>;
}

/** Runs steps of jobs; one that the end of the process interrupts goes back as it is. */
export class InterruptibleHandler implements JobHandler {
  private readonly stopping = new AbortController();

  constructor(private readonly work: InterruptibleWork) {}

  async process(job: Job, token: string | undefined): Promise<void> {
    const { signal } = this.stopping;
    try {
      await this.work.process(job, token, signal);
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) throw error;
      await job.moveToDelayed(Date.now(), token);
      throw new DelayedError();
    }
  }

  /** Ends the steps that run. */
  stop(): void {
    this.stopping.abort(new MadakvError('worker_stopping', 'the worker is stopping'));
  }
}
