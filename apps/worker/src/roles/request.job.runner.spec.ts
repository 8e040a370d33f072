import { MadakvError, RequestJobSchema, type RequestJob } from '@madakv/contracts';
import type { CacheDemand } from '@madakv/requests';
import { describe, expect, it } from 'vitest';
import type { AskedRequest } from '../generate/question.js';
import { QuestionLeases } from '../generate/question.leases.js';
import type { HeldLease } from '../lease/held.lease.js';
import type { LeaseAnswer } from '../lease/lease.desk.js';
import { AttemptSettler } from './attempt.settler.js';
import type { BullModelJob, JobWaits, RequestAttempt, TakenJob } from './request.attempt.js';
import { RequestJobRunner } from './request.job.runner.js';
import { RunningRequests } from './running.requests.js';

const DAY_MS = 86_400_000;
const request: RequestJob = {
  requestId: 'chatcmpl-1',
  tenant: 'acme',
  model: 'reader',
  source: { kind: 'body', fileKey: 'files/f' },
  acceptedAtMs: Date.now() - DAY_MS,
};
const KV = { layers: 2, kvHeads: 2, headDim: 8, precision: 'fp32' as const, onDevice: false };
const demand: CacheDemand = { tokens: 100, heldBack: 1, maxTokens: 8, cacheRatio: 0.5, minCacheRatio: 0.5 };

/** A job as BullMQ gives it again and again: what was noted with it stands in Redis, as JSON. */
class FakeJob {
  constructor(private stored = JSON.stringify(request)) {}

  get data(): RequestJob {
    return RequestJobSchema.parse(JSON.parse(this.stored));
  }

  taken(): BullModelJob {
    const job = {
      data: this.data,
      opts: { attempts: 5 },
      attemptsMade: 0,
      stalledCounter: 0,
      moveToDelayed: () => Promise.resolve(),
      updateData: (data: RequestJob) => {
        job.data = data;
        this.stored = JSON.stringify(data);
        return Promise.resolve();
      },
    };
    return job as unknown as BullModelJob;
  }
}

const runner = new RequestJobRunner(
  { isSettled: () => Promise.resolve(false) },
  new RunningRequests({ find: () => Promise.resolve(new Map()) }),
  new AttemptSettler(
    { fail: () => Promise.reject(new Error('nothing fails here')) },
    { warn: () => undefined, error: () => undefined },
    'w',
    () => undefined,
  ),
  { addLines: () => Promise.resolve(), absentLines: (lines) => Promise.resolve([...lines]) },
  { of: () => Promise.resolve({ count: 0, begunAtMs: [] }) },
);

/** Takes the job once. @returns what the work gave, or undefined where it threw */
async function take<T>(
  job: FakeJob,
  work: (attempt: RequestAttempt, taken: TakenJob) => Promise<T>,
): Promise<T | undefined> {
  let done: T | undefined;
  const end = runner.run(job.taken(), 't', 'generate', async ([attempt], taken) => {
    done = await work(attempt, taken);
    return [{ status: 'fulfilled', value: { state: 'settled' } }];
  });
  await end.catch(() => undefined);
  return done;
}

/** Memory that is there or is not. */
function leases(...answers: ('granted' | 'wait')[]): QuestionLeases {
  const lease = { ref: {}, grantedBytes: 1_000_000, events: [] } as unknown as HeldLease;
  const acquire = (): Promise<LeaseAnswer> =>
    Promise.resolve(
      answers.shift() === 'granted' ? { kind: 'granted', lease } : { kind: 'wait', delayMs: 60, reason: 'full' },
    );
  return new QuestionLeases({ acquire, capacityBytes: 1_000_000 }, () => KV);
}

const asked = (attempt: RequestAttempt): AskedRequest[] => [
  { attempt, questions: [{ attempt, demand }] } as unknown as AskedRequest,
];
const waitsOf = ({ data: { roomSinceMs, holderSinceMs } }: FakeJob): JobWaits => ({ roomSinceMs, holderSinceMs });
const NOTHING: JobWaits = { roomSinceMs: undefined, holderSinceMs: undefined };

describe('a job that waits', () => {
  it.each(['budget_unavailable', 'worker_stopping', 'storage_unavailable'] as const)(
    'goes on waiting where one look at it ends in %s',
    async (code) => {
      const job = new FakeJob();
      await take(job, (_, taken) => taken.note({ holderSinceMs: 5 }));
      await take(job, (attempt, taken) => leases('wait').acquire(asked(attempt), taken));
      const { roomSinceMs, holderSinceMs } = waitsOf(job);
      expect([roomSinceMs, holderSinceMs]).toEqual([expect.any(Number), 5]);
      await take(job, () => Promise.reject(new MadakvError(code, 'away')));
      expect(job.data).toMatchObject({ roomSinceMs, holderSinceMs: 5 });
      expect(job.data.past).toMatchObject([{ stage: 'generate', worker: 'w', code, times: 1 }]);
      const granted = await take(job, async (attempt, taken) => {
        const { times } = await leases('granted').acquire(asked(attempt), taken);
        return { asked: times.asked, learnt: attempt.learnt };
      });
      expect(granted).toMatchObject({ asked: roomSinceMs, learnt: { askedAtMs: roomSinceMs, holderSinceMs: 5 } });
      expect(waitsOf(job)).toEqual(NOTHING);
    },
  );

  it('has waited once memory is granted, whoever is killed after that', async () => {
    const job = new FakeJob();
    await take(job, (attempt, taken) => leases('wait').acquire(asked(attempt), taken));
    const { roomSinceMs } = waitsOf(job);
    expect(roomSinceMs).toEqual(expect.any(Number));
    const noted = await take(job, async (attempt, taken) => {
      const lease = await leases('granted').acquire(asked(attempt), taken);
      // From here on its process may be gone.
      return { events: lease.shares[0].history.events, waits: waitsOf(job) };
    });
    expect(noted).toEqual({ events: [{ atMs: roomSinceMs, event: 'waited', bytes: 0 }], waits: NOTHING });
  });

  it('asks anew for each round of its questions', async () => {
    const job = new FakeJob(JSON.stringify({ ...request, roomSinceMs: 7 }));
    const times = await take(job, async (attempt, taken) => {
      const desk = leases('granted', 'granted');
      const first = await desk.acquire(asked(attempt), taken);
      return [first.times.asked, (await desk.acquire(asked(attempt), taken)).times.asked];
    });
    expect(times).toEqual([7, expect.any(Number)]);
    expect(times?.[1]).toBeGreaterThan(7);
  });
});
