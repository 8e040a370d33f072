import type { PastAttempt, TimelineEntry } from '@madakv/contracts';

export interface TimelineSources {
  /** All times are milliseconds since 1970, as this one. */
  readonly acceptedAtMs: number;
  /** Of the prepare job; `readyAtMs` where it came to its end. */
  readonly prepare: { readonly past: readonly PastAttempt[]; readonly takenAtMs?: number; readonly readyAtMs?: number };
  /** Of the generate job: what came to nothing, and when engines began with it that died with their process. */
  readonly generate: { readonly past: readonly PastAttempt[]; readonly begunAtMs: readonly number[] };
  /** The attempt that ended the request. */
  readonly last: Attempt;
  /** Since when it waited for the worker that holds its document, and for memory, and when that was granted. */
  readonly holderSinceMs?: number | undefined;
  readonly askedAtMs?: number | undefined;
  readonly grantedAtMs?: number | undefined;
}

type Stage = TimelineEntry['stage'];

interface Attempt {
  readonly stage: Stage;
  readonly worker: string | null;
  readonly fromMs: number;
  /** Null for one whose process died: nobody saw when. */
  readonly untilMs: number | null;
  readonly what: string;
  readonly times?: number;
}

/**
 * What became of a request from its acceptance to its end: every attempt with why it ended, and what it waited for between them, in the order
 * in which they began. Milliseconds since acceptance.
 */
export function timelineOf(sources: TimelineSources): TimelineEntry[] {
  const { acceptedAtMs, last } = sources;
  const attempts = attemptsOf(sources);
  const entries = [
    ...attempts.map((attempt) => ({ kind: 'attempt' as const, times: 1, ...attempt })),
    ...waitsOf(sources, attempts).map((wait) => ({ kind: 'wait' as const, worker: null, times: 1, ...wait })),
  ];
  const since = (ms: number): number => Math.round(Math.max(0, ms - acceptedAtMs));
  return entries
    .filter(({ fromMs, untilMs }) => untilMs === null || untilMs >= fromMs)
    .sort((a, b) => a.fromMs - b.fromMs || (a.untilMs ?? last.fromMs) - (b.untilMs ?? last.fromMs))
    .map(({ kind, stage, what, worker, fromMs, untilMs, times }) => ({
      kind,
      stage,
      what,
      worker,
      fromMs: since(fromMs),
      untilMs: untilMs === null ? null : since(untilMs),
      times,
    }));
}

/** Of each stage in the order in which they began. */
function attemptsOf({ prepare, generate, last }: TimelineSources): Attempt[] {
  const { takenAtMs, readyAtMs } = prepare;
  const past = (stage: Stage, ended: readonly PastAttempt[]): Attempt[] =>
    ended.map(({ code, ...attempt }) => ({ ...attempt, stage, what: code }));
  // Engines that died while their process lived are among what came to nothing; what else did leaves no beginning.
  const told = (at: number): boolean =>
    generate.past.some(({ code, fromMs, untilMs }) => code === 'engine_crashed' && fromMs <= at && at <= untilMs);
  const died = generate.begunAtMs
    .filter((at) => at < last.fromMs && !told(at))
    .map((fromMs): Attempt => ({ stage: 'generate', worker: null, fromMs, untilMs: null, what: 'worker_lost' }));
  const prepared: Attempt[] =
    takenAtMs === undefined || readyAtMs === undefined
      ? []
      : [{ stage: 'prepare', worker: null, fromMs: takenAtMs, untilMs: readyAtMs, what: 'prepared' }];
  const attempts = [...past('prepare', prepare.past), ...prepared, ...past('generate', generate.past), ...died, last];
  return attempts.sort((a, b) => rankOf(a) - rankOf(b) || a.fromMs - b.fromMs);
}

function rankOf({ stage }: Attempt): number {
  return stage === 'prepare' ? 0 : 1;
}

type Wait = Pick<TimelineEntry, 'stage' | 'what'> & { readonly fromMs: number; readonly untilMs: number };

function waitsOf(sources: TimelineSources, attempts: readonly Attempt[]): Wait[] {
  const { acceptedAtMs, prepare, holderSinceMs, askedAtMs, grantedAtMs, last } = sources;
  const waits: Wait[] = [];
  const add = (stage: Stage, what: string, fromMs: number | undefined, untilMs: number): void => {
    if (fromMs !== undefined && untilMs - fromMs >= 1) waits.push({ stage, what, fromMs, untilMs });
  };
  for (const stage of ['prepare', 'generate'] as const) {
    const own = attempts.filter((attempt) => attempt.stage === stage);
    if (own.length === 0) continue;
    // One that waits for its document or for memory has been taken before.
    const firstMs =
      stage === 'prepare' ? own[0].fromMs : Math.min(own[0].fromMs, holderSinceMs ?? Infinity, askedAtMs ?? Infinity);
    add(stage, 'queue', stage === 'prepare' ? acceptedAtMs : (prepare.readyAtMs ?? acceptedAtMs), firstMs);
    for (const [i, { untilMs }] of own.slice(0, -1).entries()) {
      const next = own[i + 1];
      const until = next === last ? Math.min(next.fromMs, askedAtMs ?? Infinity) : next.fromMs;
      if (untilMs !== null) add(stage, 'retry', untilMs, until);
    }
  }
  const endMs = last.untilMs ?? last.fromMs;
  add('generate', 'document', holderSinceMs, Math.min(askedAtMs ?? last.fromMs, endMs));
  add('generate', 'memory', askedAtMs, grantedAtMs ?? endMs);
  return waits;
}
