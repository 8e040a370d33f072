import { writeFileSync } from 'node:fs';
import { lineChart } from '@madakv/evaluation/measures';
import { FIGURE } from './document.batch.js';
import type { Seen } from './scaling.record.js';

/** Seconds that answers are counted over. */
const RATE_WINDOW = 10;
/** Seconds between two marks of the axis. */
const TICK = 10;

/**
 * Draws what was seen.
 * @param workerBytes cache that one worker holds
 */
export function writeFigure(seen: readonly Seen[], workerBytes: number): void {
  if (FIGURE === undefined) return;
  const told = seen.filter(({ queuedBytes }) => queuedBytes >= 0);
  const last = seen.at(-1)?.seconds ?? 0;
  const rate = seen.map(({ seconds, answered }, i) => {
    const first = seen.findLastIndex((each) => each.seconds <= seconds - RATE_WINDOW);
    const earlier = seen[Math.max(0, first)];
    return { x: seconds, y: i === 0 ? 0 : (answered - earlier.answered) / (seconds - earlier.seconds) };
  });
  writeFileSync(
    FIGURE,
    lineChart({
      title: 'A batch of documents: 0 to N workers and back, by bytes of cache',
      xLabel: 'seconds since the batch was sent',
      yLabel: 'workers; answers a second',
      xScale: 'linear',
      xTicks: Array.from({ length: Math.ceil(last / TICK) + 1 }, (_, i) => i * TICK),
      formatX: String,
      formatY: String,
      series: [
        {
          name: 'queued and held cache over a worker’s',
          points: told.map(({ seconds, queuedBytes, heldBytes }) => ({
            x: seconds,
            y: (queuedBytes + heldBytes) / workerBytes,
          })),
        },
        { name: 'workers wanted', points: seen.map(({ seconds, wanted }) => ({ x: seconds, y: wanted })) },
        { name: 'workers ready', points: seen.map(({ seconds, ready }) => ({ x: seconds, y: ready })), emphasis: true },
        { name: 'answers a second', points: rate },
      ],
    }),
  );
}
