import type { TimelineEntry, TraceView } from '../api/types.js';
import type { Lane } from '../charts/lanes.js';

type Trace = TraceView['trace'];
type Timed = Pick<Trace, 'ms' | 'lease' | 'attempt' | 'timeline'>;

/** What a request went through, and how long of that is in none of the lanes. */
export interface RequestTimes {
  readonly lanes: readonly Lane[];
  /** A worker that reads for several at once gives each step of one in turns with those of the others. */
  readonly restMs: number;
}

/** From its acceptance to its end: waits, attempts, and the steps of the one that ended it. */
export function timesOf(trace: Timed): RequestTimes {
  const { timeline = [], ms } = trace;
  if (timeline.length === 0) return inARow(trace);
  const lanes = timeline.map((entry, i) => laneOf(entry, timeline, i));
  const last = timeline.findLast(({ kind }) => kind === 'attempt');
  const memory = timeline.findLast(({ kind, what }) => kind === 'wait' && what === 'memory');
  const startMs = Math.max(last?.fromMs ?? 0, memory?.untilMs ?? 0);
  const steps = stepsFrom(startMs, engineSteps(trace), 'step');
  const untilMs = last?.untilMs ?? ms.total ?? 0;
  return { lanes: [...lanes, ...steps], restMs: steps.length === 0 ? 0 : untilMs - startMs - sumOf(steps) };
}

type Step = readonly [name: string, took: number | null, detail?: string];

function engineSteps({ ms }: Timed): Step[] {
  return [
    ['vision', ms.vision],
    ['prefill', ms.prefill],
    ['observe', ms.observe],
    ['evict', ms.evict],
    ['decode', ms.decode],
  ];
}

/** Of a trace that says no more than how long each step took. */
function inARow(trace: Timed): RequestTimes {
  const { ms, lease, attempt } = trace;
  const waits = lease?.events.filter(({ event }) => event === 'waited').length ?? 0;
  const lanes = stepsFrom(0, [
    ['waiting to prepare', ms.queuePrepare],
    ['prepare', ms.prepare],
    ['waiting to generate', ms.queueGenerate, attempt > 1 ? `attempt ${attempt}` : undefined],
    ['lease', ms.lease, waits > 0 ? `told to wait ${waits} times` : undefined],
    ...engineSteps(trace),
  ]);
  return { lanes, restMs: (ms.total ?? 0) - sumOf(lanes) };
}

/** Those that were reached, one after the other. */
function stepsFrom(startMs: number, steps: readonly Step[], tone?: Lane['tone']): Lane[] {
  let fromMs = startMs;
  return steps.flatMap(([name, tookMs, detail]) => {
    if (tookMs === null) return [];
    const lane = {
      name,
      fromMs,
      tookMs,
      ...(detail === undefined ? {} : { detail }),
      ...(tone === undefined ? {} : { tone }),
    };
    fromMs += tookMs;
    return [lane];
  });
}

function sumOf(lanes: readonly Lane[]): number {
  return lanes.reduce((sum, { tookMs }) => sum + tookMs, 0);
}

const WAITS: Readonly<Record<string, string>> = {
  'prepare queue': 'waiting to prepare',
  'generate queue': 'waiting to generate',
  'prepare retry': 'pause before the next attempt',
  'generate retry': 'pause before the next attempt',
  'generate document': 'waiting for the worker with its document',
  'generate memory': 'waiting for memory',
};
const ENDED_WELL: ReadonlySet<string> = new Set(['prepared', 'answered']);

function laneOf(entry: TimelineEntry, timeline: readonly TimelineEntry[], at: number): Lane {
  const { kind, stage, what, worker, fromMs, times } = entry;
  const nextMs = timeline.slice(at + 1).find((later) => later.fromMs > fromMs)?.fromMs ?? fromMs;
  const tookMs = (entry.untilMs ?? nextMs) - fromMs;
  if (kind === 'wait') return { name: WAITS[`${stage} ${what}`] ?? `waiting: ${what}`, fromMs, tookMs, tone: 'wait' };
  // Without a number: what counts as an attempt of the job is not all that was tried, and has its number in the header.
  const name = times > 1 ? `${stage} ×${times}` : stage;
  if (ENDED_WELL.has(what)) return { name, fromMs, tookMs };
  const by = worker === null ? '' : ` at ${worker}`;
  const detail = entry.untilMs === null ? 'its worker died' : `${what}${by}`;
  return { name, fromMs, tookMs, detail, tone: entry.untilMs === null ? 'open' : 'failed' };
}
