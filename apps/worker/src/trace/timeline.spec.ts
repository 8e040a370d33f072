import { describe, expect, it } from 'vitest';
import { timelineOf, type TimelineSources } from './timeline.js';

const T0 = 1_732_291_721_000;
const past = (code: string, from: number, until: number, times = 1) => ({
  worker: 'a',
  fromMs: T0 + from,
  untilMs: T0 + until,
  code,
  times,
});

/** Prepared from 10 to 30, taken at 100, granted at 150, answered at 400. */
function lines(changes: Partial<TimelineSources> = {}): string[] {
  const entries = timelineOf({
    acceptedAtMs: T0,
    prepare: { past: [], takenAtMs: T0 + 10, readyAtMs: T0 + 30 },
    generate: { past: [], begunAtMs: [] },
    last: { stage: 'generate', worker: 'b', fromMs: T0 + 100, untilMs: T0 + 400, what: 'answered' },
    askedAtMs: T0 + 110,
    grantedAtMs: T0 + 150,
    ...changes,
  });
  return entries.map(
    ({ kind, stage, what, worker, fromMs, untilMs, times }) =>
      `${fromMs}-${untilMs ?? '?'} ${kind} ${stage} ${what}${worker === null ? '' : ` by ${worker}`}${times > 1 ? ` x${times}` : ''}`,
  );
}

describe('the timeline of a request', () => {
  it('goes from acceptance to the answer, with what it waited for', () => {
    expect(lines()).toEqual([
      '0-10 wait prepare queue',
      '10-30 attempt prepare prepared',
      '30-100 wait generate queue',
      '100-400 attempt generate answered by b',
      '110-150 wait generate memory',
    ]);
  });

  it('has the attempts that came to nothing, and the pauses after them', () => {
    const generate = {
      past: [past('storage_unavailable', 40, 60), past('budget_unavailable', 70, 90, 3)],
      begunAtMs: [],
    };
    const prepare = { past: [past('storage_unavailable', 2, 5)], takenAtMs: T0 + 10, readyAtMs: T0 + 30 };
    expect(lines({ prepare, generate })).toEqual([
      '0-2 wait prepare queue',
      '2-5 attempt prepare storage_unavailable by a',
      '5-10 wait prepare retry',
      '10-30 attempt prepare prepared',
      '30-40 wait generate queue',
      '40-60 attempt generate storage_unavailable by a',
      '60-70 wait generate retry',
      '70-90 attempt generate budget_unavailable by a x3',
      '90-100 wait generate retry',
      '100-400 attempt generate answered by b',
      '110-150 wait generate memory',
    ]);
  });

  it('has a worker that died with it once, whether or not somebody lived to tell', () => {
    const generate = { past: [past('engine_crashed', 60, 70)], begunAtMs: [T0 + 40, T0 + 65] };
    expect(lines({ generate }).filter((line) => line.includes('attempt generate'))).toEqual([
      '40-? attempt generate worker_lost',
      '60-70 attempt generate engine_crashed by a',
      '100-400 attempt generate answered by b',
    ]);
  });

  it('has a worker that died between two attempts which are told as one', () => {
    const generate = { past: [past('budget_unavailable', 40, 90, 2)], begunAtMs: [T0 + 60] };
    expect(lines({ generate }).filter((line) => line.includes('attempt generate'))).toEqual([
      '40-90 attempt generate budget_unavailable by a x2',
      '60-? attempt generate worker_lost',
      '100-400 attempt generate answered by b',
    ]);
  });

  it('knows that one which waited for memory or for its document had been taken before', () => {
    const last = { stage: 'generate' as const, worker: 'b', fromMs: T0 + 300, untilMs: T0 + 400, what: 'answered' };
    expect(lines({ last, holderSinceMs: T0 + 50, askedAtMs: T0 + 80, grantedAtMs: T0 + 310 })).toEqual([
      '0-10 wait prepare queue',
      '10-30 attempt prepare prepared',
      '30-50 wait generate queue',
      '50-80 wait generate document',
      '80-310 wait generate memory',
      '300-400 attempt generate answered by b',
    ]);
  });

  it('ends where a request was refused while it was prepared', () => {
    const last = {
      stage: 'prepare' as const,
      worker: 'b',
      fromMs: T0 + 20,
      untilMs: T0 + 25,
      what: 'invalid_document',
    };
    const never = { askedAtMs: undefined, grantedAtMs: undefined };
    expect(lines({ prepare: { past: [] }, last, ...never })).toEqual([
      '0-20 wait prepare queue',
      '20-25 attempt prepare invalid_document by b',
    ]);
  });
});
