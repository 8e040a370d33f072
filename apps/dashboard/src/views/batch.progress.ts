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

/** How far a batch is, and how long it will take at the pace that the gateway says. */
export function progressOf(batch: BatchObject): Progress {
  const { total, completed, failed } = batch.request_counts;
  const ended = completed + failed;
  const share = total === 0 ? 0 : ended / total;
  const { lines_per_minute: pace, eta_at: eta } = batch.madakv ?? {};
  const rate = pace == null ? '–' : pace.toFixed(1);
  const left = pace == null || pace === 0 || eta == null ? '–' : formatMs((60_000 * (total - ended)) / pace);
  return { ended, share, left, rate };
}

/** Bytes of the answers' caches that were kept, over what they were before. */
export function keptShare({ madakv }: BatchObject): string {
  return madakv === undefined || madakv.full_bytes === 0 ? '–' : formatShare(madakv.kept_bytes / madakv.full_bytes);
}
