import { MadakvError, MAX_GROUP, type RequestJobResult } from '@madakv/contracts';
import { withTraceparent } from '@madakv/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import { gather } from '../engine/gathering.js';
import type { EngineHost } from '../engine/engine.host.js';
import type { BudgetWatch } from '../lease/budget.watch.js';
import type { SharedLease } from '../lease/shared.lease.js';
import { LARGER_DEVICE } from '../lease/lease.desk.js';
import type { QueuedDemand } from '../lease/queued.demand.js';
import { GoesAlone, HandBack } from '../roles/hand.back.js';
import type { BullModelJob, RequestAttempt, TakenJob, WorkEnd } from '../roles/request.attempt.js';
import type { RequestJobRunner } from '../roles/request.job.runner.js';
import type { CrashGuard } from './crash.guard.js';
import type { GroupTurns } from './group.turns.js';
import type { Isolation } from './isolation.js';
import type { PreparedReader } from './prepared.reader.js';
import { askedRequest, type AskedRequest } from './question.js';
import type { QuestionLeases } from './question.leases.js';
import type { AnsweredQuestion } from './question.runner.js';
import type { RequestAnswerer } from './request.answerer.js';
import type { ResidentWatch } from './resident.watch.js';

/** How long a job keeps its slot that is to wait for other groups or another worker, in milliseconds: it bounds how often it is looked at. */
const PAUSE_MS = 50;
/** When it is offered again after that. */
const GROUP_DELAY_MS = 200;
const HOLDER_DELAY_MS = 50;
/** When memory for a later round is asked for again where the budget service was away, in milliseconds. */
const BUDGET_AWAY_MS = 1_000;

/**
 * Requests that are answered together once an engine has died over a group of them. Should it die again, these are then answered one by
 * one, and the one that kills it is found when it does so for the third time: the others have seen two engines die, and are answered.
 */
const SUSPECTS = 8;

export interface GenerateParts {
  readonly runner: RequestJobRunner;
  readonly reader: Pick<PreparedReader, 'read'>;
  readonly engine: Pick<EngineHost, 'info'>;
  readonly budget: Pick<BudgetWatch, 'available'>;
  readonly crashes: CrashGuard;
  readonly isolation: Isolation;
  readonly groups: GroupTurns;
  readonly leases: QuestionLeases;
  readonly answerer: RequestAnswerer;
  readonly demand: Pick<QueuedDemand, 'publish'>;
  readonly residents: Pick<ResidentWatch, 'isElsewhere'>;
  /** How long a job is left to a worker that holds its document, in milliseconds. */
  readonly holderWaitMs: number;
}

/** A request, and how many engines have died over it. */
interface Asked {
  readonly asked: AskedRequest;
  readonly crashed: number;
}

/** Answers prepared requests: those of a job together, under one lease, and each to an end of its own. */
export class GenerateProcessor {
  constructor(private readonly parts: GenerateParts) {}

  /** A BullMQ processor. */
  process(job: BullModelJob, token: string | undefined): Promise<RequestJobResult> {
    return this.parts.runner.run(job, token, 'generate', (attempts, taken) =>
      taken.grouped ? this.answerGroup(attempts, taken) : this.answerOne(attempts, taken),
    );
  }

  private async answerOne([attempt]: readonly RequestAttempt[], job: TakenJob): Promise<readonly WorkEnd[]> {
    const { asked, crashed } = await this.read(attempt);
    await this.prefer(asked, job);
    return this.parts.isolation.run(crashed > 0, attempt.signal, () => this.answerInRounds(asked, job));
  }

  private async answerGroup(attempts: readonly RequestAttempt[], job: TakenJob): Promise<readonly WorkEnd[]> {
    const turn = this.parts.groups.enter(attempts[0].request.requestId, attempts.length);
    if (turn === undefined) return this.wait(attempts[0].signal);
    try {
      return await this.answerTogether(attempts, job);
    } finally {
      turn.leave();
    }
  }

  private async answerTogether(attempts: readonly RequestAttempt[], job: TakenJob): Promise<readonly WorkEnd[]> {
    const { isolation, leases } = this.parts;
    const ends = new Map<RequestAttempt, WorkEnd>();
    const all: Asked[] = [];
    for (const attempt of attempts) {
      try {
        const read = await withTraceparent(attempt.request.traceparent, () => this.read(attempt));
        if (read.crashed > 1) throw new GoesAlone(`${read.crashed} engines have died over it`);
        all.push(read);
      } catch (reason) {
        ends.set(attempt, { status: 'rejected', reason });
      }
    }
    if (all.length > 0) await this.prefer(all[0].asked, job);
    const { now, later } = divide(all, (requests) => leases.fitting(requests));
    for (const group of later) await job.split(group.map(({ attempt }) => attempt.request));
    if (now.requests.length > 0) {
      const [{ attempt }] = now.requests;
      const answered = await isolation.run(now.suspect, attempt.signal, () =>
        now.requests.length === 1 ? this.answerInRounds(now.requests[0], job) : this.answer(now.requests, job),
      );
      now.requests.forEach((request, i) => ends.set(request.attempt, answered[i]));
    }
    // What goes into a job of its own is done with in this one.
    return attempts.map((each) => ends.get(each) ?? { status: 'fulfilled', value: { state: 'prepared' } });
  }

  /** One request, whose questions may be too many for a lease. @throws HandBack where there is no room now */
  private async answerInRounds(asked: AskedRequest, job: TakenJob): Promise<readonly WorkEnd[]> {
    const { leases, answerer } = this.parts;
    const rounds = leases.rounds(asked);
    if (rounds.length === 1) return this.answer([asked], job);
    const answered: AnsweredQuestion[] = [];
    const leased: SharedLease[] = [];
    try {
      for (const [i, round] of rounds.entries()) {
        const lease = i === 0 ? await leases.acquire([round], job) : await this.acquireLater(round, job, i);
        leased.push(lease);
        const [together] = gather(1);
        answered.push(...(await answerer.ask(round, { lease, shares: lease.shares, together })));
      }
    } catch (error) {
      // Whoever takes over begins with the first round, and would be given what the service still holds for it.
      const held = leased.filter(({ released }) => !released).map(({ timeToLiveMs }) => timeToLiveMs);
      if (isStopping(error) && held.length > 0) {
        throw new HandBack(Math.max(...held), 'the lease of a round could not be released');
      }
      throw error;
    }
    return [{ status: 'fulfilled', value: await answerer.finish(asked, answered) }];
  }

  /** Waits here for the lease of a later round: a job that goes back begins anew, and would ask for ever what it has answers to. */
  private async acquireLater(round: AskedRequest, job: TakenJob, index: number): Promise<SharedLease> {
    const { signal } = round.attempt;
    for (;;) {
      let delayMs = BUDGET_AWAY_MS;
      try {
        return await this.parts.leases.acquire([round], job, index);
      } catch (error) {
        // Elsewhere it has to begin anew; here there is never room.
        if (error instanceof HandBack && error.message !== LARGER_DEVICE) ({ delayMs } = error);
        else if (!(error instanceof MadakvError && error.code === 'budget_unavailable')) throw error;
      }
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      signal.throwIfAborted();
    }
  }

  /** @throws HandBack where there is no room now */
  private async answer(requests: readonly AskedRequest[], job: TakenJob): Promise<readonly WorkEnd[]> {
    const { leases, answerer } = this.parts;
    const lease = await leases.acquire(requests, job);
    let first = 0;
    const shares = requests.map(({ questions }) => lease.shares.slice(first, (first += questions.length)));
    const together = gather(requests.length);
    const ends = await Promise.allSettled(
      requests.map(async (asked, i) => {
        const granted = { lease, shares: shares[i], together: together[i] };
        try {
          return await withTraceparent(asked.attempt.request.traceparent, () => answerer.answer(asked, granted));
        } finally {
          together[i].leave();
        }
      }),
    );
    await this.demandAgain(requests.filter((_, i) => isHandedBack(ends[i])));
    return ends;
  }

  /**
   * Under the name that the next worker asks with: that of the first which is left. Before anybody can take them: stated after a grant
   * it would stand for nobody.
   */
  private async demandAgain(requests: readonly AskedRequest[]): Promise<void> {
    if (requests.length === 0) return;
    const { requestId, model } = requests[0].attempt.request;
    const needs = requests.flatMap(({ questions }) => questions.map(({ need }) => need.targetBytes));
    await this.parts.demand.publish(
      requestId,
      model,
      needs.reduce((sum, bytes) => sum + bytes, 0),
    );
  }

  private async read(attempt: RequestAttempt): Promise<Asked> {
    const { reader, budget, crashes, engine } = this.parts;
    const { request, signal, learnt } = attempt;
    const prepared = await reader.read(request.requestId);
    learnt.customId = prepared.customId;
    learnt.prepared = prepared;
    signal.throwIfAborted();
    if (!budget.available) throw new MadakvError('budget_unavailable', 'the memory-budget service is away');
    const asked = askedRequest(attempt, prepared, engine.info.kv);
    const died = await crashes.of(request.requestId);
    // Before it is refused for them: its trace tells of them all the same.
    learnt.begunAtMs = died.begunAtMs;
    crashes.check(died);
    return { asked, crashed: died.count };
  }

  /** Leaves the job to a worker that holds its document, for a short while. @throws HandBack for that while */
  private async prefer({ attempt, prepared }: AskedRequest, job: TakenJob): Promise<void> {
    const { residents, holderWaitMs } = this.parts;
    const { holderSinceMs = Date.now() } = job.waits;
    const leftMs = holderSinceMs + holderWaitMs - Date.now();
    if (prepared.documentKey === undefined || leftMs <= 0) return;
    if (!(await residents.isElsewhere(prepared.documentKey))) return;
    if (job.waits.holderSinceMs === undefined) await job.note({ holderSinceMs });
    await pause(attempt.signal);
    throw new HandBack(Math.min(leftMs, HOLDER_DELAY_MS), 'another worker holds its document');
  }

  private async wait(signal: AbortSignal): Promise<never> {
    await pause(signal);
    throw new HandBack(GROUP_DELAY_MS, 'other groups are under way');
  }
}

function isHandedBack(end: WorkEnd): boolean {
  return end.status === 'rejected' && isStopping(end.reason);
}

function isStopping(error: unknown): boolean {
  return error instanceof MadakvError && error.code === 'worker_stopping';
}

async function pause(signal: AbortSignal): Promise<void> {
  await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}

/** What is answered now, and what goes into jobs of its own, so that another worker may take it. */
interface Division {
  /** Suspects are alone in their engine. */
  readonly now: { readonly requests: readonly AskedRequest[]; readonly suspect: boolean };
  readonly later: readonly (readonly AskedRequest[])[];
}

/** @param fits how many of the requests, from the first on, may be answered together */
function divide(all: readonly Asked[], fits: (requests: readonly AskedRequest[]) => number): Division {
  const of = (suspect: boolean): AskedRequest[] =>
    all.filter(({ crashed }) => crashed > 0 === suspect).map(({ asked }) => asked);
  const groups = [
    { suspect: false, most: MAX_GROUP, rest: of(false) },
    { suspect: true, most: SUSPECTS, rest: of(true) },
  ].flatMap(({ suspect, most, rest }) => {
    const cut: { requests: AskedRequest[]; suspect: boolean }[] = [];
    while (rest.length > 0) cut.push({ requests: rest.splice(0, fits(rest.slice(0, most))), suspect });
    return cut;
  });
  const [now = { requests: [], suspect: false }, ...later] = groups;
  return { now, later: later.map(({ requests }) => requests) };
}
