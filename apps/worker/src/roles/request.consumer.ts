import type { ModelJob, RequestJobResult } from '@madakv/contracts';
import { Logger } from '@nestjs/common';
import type { Job, Worker } from 'bullmq';
import type { RequestStage } from './request.attempt.js';
import type { RequestJobRunner } from './request.job.runner.js';

/** Hears what BullMQ has to say about a worker of request jobs. */
export function listen(worker: Worker, runner: RequestJobRunner, stage: RequestStage): void {
  const log = new Logger(worker.name);
  worker.on('error', (error) => {
    log.warn(error.message);
  });
  worker.on('stalled', (jobId) => {
    log.warn(`${jobId}: its worker died; it is tried again`);
  });
  worker.on('lockRenewalFailed', (jobIds) => {
    log.warn(`${jobIds.join(', ')}: the lock is lost; another worker may take it as well`);
  });
  worker.on('failed', (job: Job<ModelJob, RequestJobResult> | undefined) => {
    if (job?.finishedOn === undefined) return;
    runner.givenUp(job, stage).catch((error: unknown) => {
      log.error(`${job.id ?? 'a job'}: its failure cannot be written: ${(error as Error).message}`);
    });
  });
}
