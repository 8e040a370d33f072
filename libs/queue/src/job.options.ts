import { ATTEMPTS, isGroupJob, requestsOf, type ModelJob, type WebhookJob } from '@madakv/contracts';
import type { JobsOptions } from 'bullmq';

/** How long what failed for good may be looked at, and how much of it, in each queue. */
const FAILED = { age: 7 * 24 * 3600, count: 10_000 } as const;

/**
 * Options of a prepare or generate job. A completed one leaves nothing behind: its outcome is a record. A failed one does
 * not fail its parent, which finds no outcome and says so. A batch's line leaves nothing behind in any case: BullMQ would
 * let the batch wait for ever for a failed line that is added to it once more; why it failed stands with the batch's job.
 */
export function modelJobOptions(job: ModelJob) {
  const [{ source, fairTag }] = requestsOf(job);
  return {
    jobId: isGroupJob(job) ? job.groupId : job.requestId,
    attempts: ATTEMPTS.count,
    backoff: { type: 'exponential', delay: ATTEMPTS.backoffMs, jitter: 0.5 },
    removeOnComplete: true,
    removeOnFail: source.kind === 'line' ? true : FAILED,
    ignoreDependencyOnFailure: true,
    ...(fairTag === undefined ? {} : { priority: fairTag }),
  } satisfies JobsOptions;
}

/** Times that a batch's job is tried, and the pause between them: days in all. */
const BATCH_ATTEMPTS = { count: 100_000, delayMs: 5_000 } as const;

/** A batch job is tried until it works: its steps can be repeated, and what it waits for (Redis, files) comes back. */
export function batchJobOptions(batchId: string) {
  return {
    jobId: batchId,
    attempts: BATCH_ATTEMPTS.count,
    backoff: { type: 'fixed', delay: BATCH_ATTEMPTS.delayMs, jitter: 0.5 },
    removeOnComplete: true,
    removeOnFail: FAILED,
  } satisfies JobsOptions;
}

/** How long a delivery's job is tried again at errors of this system, such as Redis away. What receivers do is no error here. */
const WEBHOOK_ATTEMPTS = { count: 100_000, delayMs: 5_000 } as const;

/** Pauses between attempts stand in the delivery's record; a job that is over leaves nothing behind. */
export function webhookJobOptions({ deliveryId, round }: WebhookJob) {
  return {
    jobId: `${deliveryId}.${round}`,
    attempts: WEBHOOK_ATTEMPTS.count,
    backoff: { type: 'fixed', delay: WEBHOOK_ATTEMPTS.delayMs, jitter: 0.5 },
    removeOnComplete: true,
    removeOnFail: FAILED,
  } satisfies JobsOptions;
}
