import type { BatchObject, BatchStatus } from '../api/types.js';
import { formatMs, formatShare } from '../numbers.js';

const ENDED: ReadonlySet<BatchStatus> = new Set(['completed', 'failed', 'expired', 'cancelled']);

export function hasEnded({ status }: BatchObject): boolean {
  return ENDED.has(status);
}

export interface Progress {
  readonly ended: number;
  /** From 0 to 1. */
  readonly share: number;
  /** Time that is left, in words. */
  readonly left: string;
  /** Lines a minute. */
  readonly rate: string;
}

/** How far a batch is, and from its pace until now how long it will take. */
export function progressOf(batch: BatchObject, nowMs = Date.now()): Progress {
  const { total, completed, failed } = batch.request_counts;
  const ended = completed + failed;
  const share = total === 0 ? 0 : ended / total;
  const from = batch.in_progress_at;
  if (from === undefined || ended === 0) return { ended, share, left: '–', rate: '–' };
  const end = batch.finalizing_at ?? batch.completed_at ?? batch.cancelled_at ?? batch.expired_at;
  const tookMs = Math.max(1_000, (end === undefined ? nowMs : 1000 * end) - 1000 * from);
  const rate = ((60_000 * ended) / tookMs).toFixed(1);
  const left = hasEnded(batch) || end !== undefined ? '–' : formatMs(((total - ended) * tookMs) / ended);
  return { ended, share, left, rate };
}

/** Bytes of the answers' caches that were kept, over what they were before. */
export function keptShare({ madakv }: BatchObject): string {
  return madakv === undefined || madakv.full_bytes === 0 ? '–' : formatShare(madakv.kept_bytes / madakv.full_bytes);
}
