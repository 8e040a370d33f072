import { expect, it } from 'vitest';
import type { TimelineEntry } from '../api/types.js';
import { timesOf } from './request.times.js';

const MS = {
  queuePrepare: 10,
  prepare: 20,
  queueGenerate: 5,
  lease: 15,
  vision: 4,
  prefill: 60,
  observe: 1,
  evict: 2,
  firstToken: 70,
  decode: 30,
  total: 160,
};
const entry = (
  kind: 'attempt' | 'wait',
  stage: 'prepare' | 'generate',
  what: string,
  fromMs: number,
  untilMs: number | null,
) => ({ kind, stage, what, worker: kind === 'wait' ? null : 'w', fromMs, untilMs, times: 1 }) satisfies TimelineEntry;
const shortOf = (timeline: TimelineEntry[] | undefined) => {
  const { lanes, restMs } = timesOf({
    ms: MS,
    lease: null,
    attempt: 2,
    ...(timeline === undefined ? {} : { timeline }),
  });
  return {
    restMs,
    lanes: lanes.map(({ name, fromMs, tookMs, detail, tone }) =>
      [name, fromMs, tookMs, detail ?? '', tone ?? ''].join('|'),
    ),
  };
};

it('lays waits and attempts where they were, and the steps into the attempt that ended it', () => {
  const timeline = [
    entry('wait', 'prepare', 'queue', 0, 10),
    entry('attempt', 'prepare', 'prepared', 10, 30),
    { ...entry('attempt', 'generate', 'budget_unavailable', 35, 40), times: 2 },
    { ...entry('attempt', 'generate', 'worker_lost', 42, null), worker: null },
    entry('attempt', 'generate', 'answered', 50, 170),
    entry('wait', 'generate', 'memory', 52, 60),
  ];
  expect(shortOf(timeline)).toEqual({
    restMs: 13,
    lanes: [
      'waiting to prepare|0|10||wait',
      'prepare|10|20||',
      'generate ×2|35|5|budget_unavailable at w|failed',
      'generate|42|8|its worker died|open',
      'generate|50|120||',
      'waiting for memory|52|8||wait',
      'vision|60|4||step',
      'prefill|64|60||step',
      'observe|124|1||step',
      'evict|125|2||step',
      'decode|127|30||step',
    ],
  });
});

it('lays the steps of an older trace one behind the other', () => {
  const { lanes, restMs } = shortOf(undefined);
  expect(lanes.slice(0, 4)).toEqual([
    'waiting to prepare|0|10||',
    'prepare|10|20||',
    'waiting to generate|30|5|attempt 2|',
    'lease|35|15||',
  ]);
  expect(restMs).toBe(13);
});
