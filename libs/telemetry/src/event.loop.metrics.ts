import { monitorEventLoopDelay } from 'node:perf_hooks';
import { observe } from './instruments.js';

/** How often the delay is sampled, which each sample has in it: an idle loop shows just this. */
const RESOLUTION_MS = 10;
const NS_PER_SECOND = 1e9;

/**
 * Shows by how much the process's event loop was late since metrics were last collected: what blocks it (long synchronous work, garbage
 * collection, a processor that others use) delays every request and every heartbeat of a lease.
 * @returns a function that ends it
 */
export function observeEventLoop(): () => void {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / NS_PER_SECOND - RESOLUTION_MS / 1_000);
  const end = observe(['eventLoopDelayP50', 'eventLoopDelayP99', 'eventLoopDelayMax'], (observed) => {
    if (delays.count > 0) {
      observed('eventLoopDelayP50', late(delays.percentile(50)), {});
      observed('eventLoopDelayP99', late(delays.percentile(99)), {});
      observed('eventLoopDelayMax', late(delays.max), {});
    }
    delays.reset();
    return Promise.resolve();
  });
  return () => {
    end();
    delays.disable();
  };
}
