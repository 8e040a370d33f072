import { ATTEMPTS, type RequestJob } from '@madakv/contracts';
import type { JobsOptions } from 'bullmq';

/** How long what failed for good may be looked at, and how much of it, in each queue. */
const FAILED = { age: 7 * 24 * 3600, count: 10_000 } as const;

/**
 * Options of a prepare or generate job. A completed one leaves nothing behind: its outcome is a record. A failed one does
 * not fail its parent, which finds no outcome and says so.
 */
export function requestJobOptions({ requestId, fairTag }: RequestJob) {
  return {
    jobId: requestId,
    attempts: ATTEMPTS.count,
    backoff: { type: 'exponential', delay: ATTEMPTS.backoffMs, jitter: 0.5 },
    removeOnComplete: true,
    removeOnFail: FAILED,
    ignoreDependencyOnFailure: true,
    ...(fairTag === undefined ? {} : { priority: fairTag }),
  } satisfies JobsOptions;
}

/** A batch job is tried until it works: its steps can be repeated, and what it waits for (Redis, files) comes back. */
export function batchJobOptions(batchId: string) {
  return {
    jobId: batchId,
    attempts: 1_000,
    backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
    removeOnComplete: { age: 24 * 3600, count: 10_000 },
    removeOnFail: FAILED,
  } satisfies JobsOptions;
}
