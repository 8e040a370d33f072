import { setTimeout as pause } from 'node:timers/promises';
import type { BatchObject, BatchStatus } from '@madakv/contracts';
import type { ApiClient } from '../api/api.client.js';
import type { TextSink } from '../command.io.js';
import { RunProgress } from '../eval/run/run.progress.js';

/** At first looks are frequent: small batches are over soon. */
const LOOK_EVERY_MS = 500;
const LATER_MS = 2_000;
const SOON_MS = 60_000;

const ENDED: ReadonlySet<BatchStatus> = new Set(['completed', 'failed', 'expired', 'cancelled']);

export function hasEnded({ status }: BatchObject): boolean {
  return ENDED.has(status);
}

/** Waits until a batch has ended, with its progress on the sink. */
export async function watchBatch(
  client: ApiClient,
  id: string,
  sink: TextSink,
  signal: AbortSignal,
): Promise<BatchObject> {
  const startedAt = performance.now();
  let progress: RunProgress | undefined;
  let done = 0;
  try {
    for (;;) {
      const batch = await client.batch(id);
      const { total, completed, failed } = batch.request_counts;
      if (total > 0) {
        progress ??= new RunProgress(sink, total, (done = completed + failed));
        progress.advance(completed + failed - done, noteOf(batch));
        done = completed + failed;
      }
      if (hasEnded(batch)) return batch;
      const everyMs = performance.now() - startedAt < SOON_MS ? LOOK_EVERY_MS : LATER_MS;
      await pause(everyMs, undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    }
  } finally {
    progress?.clear();
  }
}

function noteOf({ status, request_counts: { failed } }: BatchObject): string {
  const state = status.replace('_', ' ');
  return failed === 0 ? state : `${state}, ${failed} failed`;
}
