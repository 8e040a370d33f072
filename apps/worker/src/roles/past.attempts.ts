import type { PastAttempt, RequestJob } from '@madakv/contracts';

type Stage = NonNullable<PastAttempt['stage']>;

/** Attempts that are noted of a request: those in the middle of more are forgotten. */
const MOST = 8;

/** The request with an attempt that came to nothing noted, for its trace. Ends of one kind, by one worker in one of its jobs, that follow each other are one. */
export function withPast(request: RequestJob, ended: Omit<PastAttempt, 'times'>): RequestJob {
  const past = [...(request.past ?? [])];
  const last = past.at(-1);
  if (last?.code === ended.code && last.worker === ended.worker && last.stage === ended.stage) {
    past[past.length - 1] = { ...last, untilMs: ended.untilMs, times: last.times + 1 };
  } else {
    past.push({ ...ended, times: 1 });
  }
  // The first says when it began, the latest why it came so far.
  if (past.length > MOST) past.splice(1, past.length - MOST);
  return { ...request, past };
}

/** Those of one stage. @param noted the stage of the job that noted them: those which name none are of that one */
export function pastOf(past: readonly PastAttempt[] = [], stage: Stage, noted: Stage): PastAttempt[] {
  return past.filter((attempt) => (attempt.stage ?? noted) === stage);
}
