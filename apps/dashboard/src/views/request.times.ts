import type { TraceView } from '../api/types.js';
import type { Lane } from '../charts/lanes.js';

type Trace = TraceView['trace'];

/** The steps of a request from its acceptance, one after the other; those that were not reached are left out. */
export function lanesOf({ ms, lease, attempt }: Trace): Lane[] {
  const waits = lease?.events.filter(({ event }) => event === 'waited').length ?? 0;
  const steps: readonly (readonly [name: string, took: number | null, detail?: string])[] = [
    ['waiting to prepare', ms.queuePrepare],
    ['prepare', ms.prepare],
    ['waiting to generate', ms.queueGenerate, attempt > 1 ? `attempt ${attempt}` : undefined],
    ['lease', ms.lease, waits > 0 ? `told to wait ${waits} times` : undefined],
    ['vision', ms.vision],
    ['prefill', ms.prefill],
    ['observe', ms.observe],
    ['evict', ms.evict],
    ['decode', ms.decode],
  ];
  let fromMs = 0;
  return steps.flatMap(([name, tookMs, detail]) => {
    if (tookMs === null) return [];
    const lane = { name, fromMs, tookMs, ...(detail === undefined ? {} : { detail }) };
    fromMs += tookMs;
    return [lane];
  });
}
