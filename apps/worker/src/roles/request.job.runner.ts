import {
  ATTEMPTS,
  GroupJobSchema,
  isGroupJob,
  MadakvError,
  RequestJobSchema,
  requestsOf,
  type GroupJob,
  type ModelJob,
  type RequestJob,
  type RequestJobResult,
} from '@madakv/contracts';
import type { JobQueues } from '@madakv/queue';
import type { CrashCounter } from '@madakv/records';
import { DelayedError } from 'bullmq';
import type { OutcomeWriter } from '../outcome/outcome.writer.js';
import type { AttemptSettler, Settlement } from './attempt.settler.js';
import {
  nothingLearnt,
  type BullModelJob,
  type RequestAttempt,
  type RequestStage,
  type TakenJob,
  type WorkEnd,
} from './request.attempt.js';
import { withPast } from './past.attempts.js';
import type { RunningRequests } from './running.requests.js';

/** @returns how it ended for each of the attempts, in their order; what it throws is how it ended for all of them */
export type JobWork = (attempts: readonly RequestAttempt[], job: TakenJob) => Promise<readonly WorkEnd[]>;

const SETTLED: RequestJobResult = { state: 'settled' };

/**
 * What is the same for jobs of both kinds: nothing is done twice, cancelling ends the work, and every error is settled for the
 * request that it struck.
 *
 * A group stays together while what happens to its requests is the same for all: then its job goes back, or is tried again, as
 * that of a single request. A request that alone has to be tried again leaves for jobs of its own.
 */
export class RequestJobRunner {
  constructor(
    private readonly outcomes: Pick<OutcomeWriter, 'isSettled'>,
    private readonly running: RunningRequests,
    private readonly settler: AttemptSettler,
    private readonly queues: Pick<JobQueues, 'addLines' | 'absentLines'>,
    private readonly crashes: Pick<CrashCounter, 'of'>,
  ) {}

  /** A BullMQ processor. */
  async run(
    job: BullModelJob,
    token: string | undefined,
    stage: RequestStage,
    work: JobWork,
  ): Promise<RequestJobResult> {
    const data = parse(job.data);
    const takenAtMs = Date.now();
    const requests = await this.open(data);
    if (requests.length === 0) return SETTLED;
    if (stage === 'prepare' && isGroupJob(data) && job.stalledCounter > 0) {
      // Which of them its worker died over shows when each runs by itself.
      await this.sendAlone(data, requests, 0);
      return SETTLED;
    }
    const open = requests.map((request) => ({
      request,
      learnt: { ...nothingLearnt(), holderSinceMs: data.holderSinceMs },
    }));
    const ends = await this.running.trackAll(requests, async (signals) => {
      const attempts = open.map((each, i) => ({
        ...each,
        signal: signals[i],
        attempt: job.attemptsMade + 1,
        takenAtMs,
      }));
      return work(attempts, this.taken(job, data)).catch((reason: unknown) =>
        attempts.map((): WorkEnd => ({ status: 'rejected', reason })),
      );
    });
    const last = job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
    const settlements: Settlement[] = [];
    for (const [i, end] of ends.entries()) {
      if (end.status === 'fulfilled') {
        if (end.value.state === 'settled') this.settler.answered(requests[i]);
        settlements.push({ kind: 'settled' });
      } else {
        const ended = { ...open[i], stage, takenAtMs };
        settlements.push(await this.settler.settle(ended, end.reason, job.attemptsMade + 1, last));
      }
    }
    const noted = requests.map((request, i) => this.noted(request, settlements[i], stage, takenAtMs));
    await this.conclude(job, token, data, noted, settlements);
    return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])).at(0) ?? SETTLED;
  }

  /** BullMQ gave a job up, as when it killed one worker after the other: its readers must not wait for ever. */
  async givenUp(job: BullModelJob, stage: RequestStage): Promise<void> {
    for (const request of await this.open(parse(job.data))) {
      const error = new MadakvError('internal_error', 'the workers that took this request died over it');
      const { begunAtMs } = await this.crashes.of(request.requestId);
      const ended = { request, stage, takenAtMs: job.processedOn, learnt: { ...nothingLearnt(), begunAtMs } };
      await this.settler.fail(ended, job.attemptsMade, error);
    }
  }

  /** Requests of the job that have not ended, nor gone on in jobs of their own. */
  private async open(data: ModelJob): Promise<RequestJob[]> {
    const settled = await Promise.all(requestsOf(data).map((request) => this.outcomes.isSettled(request)));
    const open = requestsOf(data).filter((_, i) => !settled[i]);
    // Answered elsewhere, perhaps while this job was told to wait, which stated it anew.
    for (const [i, request] of requestsOf(data).entries()) if (settled[i]) this.settler.answered(request);
    return isGroupJob(data) ? this.queues.absentLines(open) : open;
  }

  /** Does with the job what its requests need. @throws to have BullMQ delay it, or try it again */
  private async conclude(
    job: BullModelJob,
    token: string | undefined,
    data: ModelJob,
    requests: readonly RequestJob[],
    settlements: readonly Settlement[],
  ): Promise<void> {
    const of = <Kind extends Settlement['kind']>(kind: Kind) =>
      settlements.flatMap((each, i) =>
        each.kind === kind ? [{ settlement: each as Extract<Settlement, { kind: Kind }>, request: requests[i] }] : [],
      );
    const again = of('again');
    if (again.length > 0 && again.length === settlements.length) {
      await this.keep(job, requests);
      throw again[0].settlement.error;
    }
    if (isGroupJob(data)) {
      await this.sendAlone(
        data,
        again.map(({ request }) => request),
        ATTEMPTS.backoffMs,
      );
      await this.sendAlone(
        data,
        of('alone').map(({ request }) => request),
        0,
      );
    }
    const back = of('back');
    if (back.length === 0) return;
    if (back.some(({ settlement }) => settlement.error !== undefined)) await this.keep(job, requests);
    await job.moveToDelayed(Date.now() + Math.max(...back.map(({ settlement }) => settlement.delayMs)), token);
    throw new DelayedError();
  }

  /** What ended without an end is told of in the trace that comes. */
  private noted(request: RequestJob, settlement: Settlement, stage: RequestStage, takenAtMs: number): RequestJob {
    const error = settlement.kind === 'again' || settlement.kind === 'back' ? settlement.error : undefined;
    if (error === undefined) return request;
    const { worker } = this.settler;
    return withPast(request, { stage, worker, fromMs: takenAtMs, untilMs: Date.now(), code: error.code });
  }

  /** With the job that is made again. What it waits for it goes on waiting for, until that is granted. Nothing fails for want of a note. */
  private async keep(job: BullModelJob, requests: readonly RequestJob[]): Promise<void> {
    const byId = new Map(requests.map((request) => [request.requestId, request]));
    const current = parse(job.data);
    const kept = (request: RequestJob): RequestJob => {
      const { past } = byId.get(request.requestId) ?? {};
      return past === undefined ? request : { ...request, past };
    };
    const changed = isGroupJob(current) ? { ...current, members: current.members.map(kept) } : kept(current);
    await job.updateData(changed).catch(() => undefined);
  }

  private taken(job: BullModelJob, data: ModelJob): TakenJob {
    let current = data;
    const update = (changed: ModelJob): Promise<void> => job.updateData((current = changed));
    return {
      grouped: isGroupJob(data),
      // A request that leaves its group asks under the same name, and must not be given the group's lease.
      holder: `${isGroupJob(data) ? 'g' : ''}${job.attemptsMade + 1}.${job.stalledCounter}`,
      get waits() {
        return current;
      },
      note: (waits) => update({ ...current, ...waits }),
      split: async (requests) => {
        if (!isGroupJob(current)) throw new Error(`${current.requestId} is no group`);
        // Named by its first request, as the whole is: whoever dies here and does it again adds the same job.
        const groupId = `${current.groupId}.${requests[0].requestId.split('_').at(-1) ?? ''}`;
        const rest: GroupJob = { ...current, groupId, members: [...requests] };
        await this.queues.addLines(current.batchId, [rest], { prepared: true });
        const gone = new Set(requests.map(({ requestId }) => requestId));
        // Should the rest of this job be taken again, it is without them: there may be more room for it then.
        const members = current.members.filter(({ requestId }) => !gone.has(requestId));
        if (members.length > 0) await update({ ...current, members });
      },
    };
  }

  /** Children of the batch's job, which waits for them before it goes on, as it does for the group's. */
  private async sendAlone({ batchId }: GroupJob, requests: readonly RequestJob[], delayMs: number): Promise<void> {
    const traceparentOf = ({ traceparent }: RequestJob): string | undefined => traceparent;
    await this.queues.addLines(batchId, requests, { traceparentOf, delayMs });
  }
}

function parse(data: ModelJob): ModelJob {
  return isGroupJob(data) ? GroupJobSchema.parse(data) : RequestJobSchema.parse(data);
}
