import type { BatchFigures, BatchObject } from '@madakv/contracts';
import { hasEnded } from '@madakv/records';

/** Bytes of the caches of a batch's answers. */
interface BatchCache {
  readonly fullBytes: number;
  readonly keptBytes: number;
}

/**
 * What OpenAI does not say of a batch.
 * @param at seconds since 1970
 */
export function batchFigures(batch: BatchObject, cache: BatchCache | undefined, at: number): BatchFigures {
  const { completed, failed, total } = batch.request_counts;
  const perSecond = pace(batch, completed + failed, at);
  const left = total - completed - failed;
  return {
    full_bytes: cache?.fullBytes ?? 0,
    kept_bytes: cache?.keptBytes ?? 0,
    phases: phasesOf(batch),
    lines_per_minute: perSecond === null ? null : Math.round(perSecond * 600) / 10,
    eta_at: perSecond === null || batch.status !== 'in_progress' ? null : Math.ceil(at + left / perSecond),
  };
}

function phasesOf(batch: BatchObject): BatchFigures['phases'] {
  const end = endedAt(batch);
  const starts = [
    ['validating', batch.created_at],
    ['in_progress', batch.in_progress_at],
    ['cancelling', batch.cancelling_at],
    ['finalizing', batch.finalizing_at],
  ] as const;
  const begun = starts.flatMap(([name, started_at]) => (started_at === undefined ? [] : [{ name, started_at }]));
  return begun.map((phase, i) => ({ ...phase, ended_at: begun.at(i + 1)?.started_at ?? end ?? null }));
}

/** Lines a second since they are run; null before the first has ended. */
function pace(batch: BatchObject, ended: number, at: number): number | null {
  if (batch.in_progress_at === undefined || ended === 0) return null;
  const until = hasEnded(batch.status) ? (batch.finalizing_at ?? endedAt(batch) ?? at) : at;
  // Times are whole seconds: what took none took one at most.
  return ended / Math.max(1, until - batch.in_progress_at);
}

function endedAt({ completed_at, failed_at, expired_at, cancelled_at }: BatchObject): number | undefined {
  return completed_at ?? failed_at ?? expired_at ?? cancelled_at;
}
