import { MadakvError, type RequestJobResult } from '@madakv/contracts';
import type { FairShares } from '@madakv/records';
import { leaseWaited, queueWaited, recordedSpan, requestSettled, withSpan } from '@madakv/telemetry';
import type { Gathered } from '../engine/gathering.js';
import type { LeaseShare, SharedLease } from '../lease/shared.lease.js';
import type { OutcomeWriter } from '../outcome/outcome.writer.js';
import { HandBack } from '../roles/hand.back.js';
import { completionOf } from './answer.completion.js';
import type { CrashGuard } from './crash.guard.js';
import type { AskedRequest } from './question.js';
import type { AnsweredQuestion, QuestionRunner } from './question.runner.js';

export interface AnswererParts {
  readonly questions: Pick<QuestionRunner, 'run'>;
  readonly outcomes: Pick<OutcomeWriter, 'complete'>;
  readonly shares: Pick<FairShares, 'served'>;
  readonly crashes: CrashGuard;
  readonly systemFingerprint: () => string;
}

/** What a request has of the memory that it is answered with, and of those that it is answered with. */
export interface GrantedRequest {
  readonly lease: SharedLease;
  /** One for each of its questions. */
  readonly shares: readonly LeaseShare[];
  /** The requests under that lease: the engine is asked for all of them at one moment, so that it reads what they share once. */
  readonly together: Gathered;
}

/** Answers one request under a lease that is there: all its questions, its traces, its outcome. */
export class RequestAnswerer {
  constructor(private readonly parts: AnswererParts) {}

  /** @param granted with a share for each of its questions. @throws as `ask` */
  async answer(asked: AskedRequest, granted: GrantedRequest): Promise<RequestJobResult> {
    return this.finish(asked, await this.ask(asked, granted));
  }

  /**
   * Asks its questions, or those of them that the lease is for.
   * @throws HandBack where nobody can take over from here yet
   */
  async ask(asked: AskedRequest, { lease, shares, together }: GrantedRequest): Promise<AnsweredQuestion[]> {
    const { request } = asked.attempt;
    // Of a request that is asked in rounds, with the first of them.
    if (asked.questions[0].id === request.requestId) this.taken(asked, lease);
    const left = (): Promise<boolean[]> => Promise.all(shares.map((share) => share.leave()));
    let answered: AnsweredQuestion[];
    try {
      if (request.fairTag !== undefined) await this.parts.shares.served(request.model, request.fairTag);
      await together.ready();
      answered = await this.askAll(asked, lease, shares);
    } catch (error) {
      const released = (await left()).every(Boolean);
      // The next worker would ask as the same holder and be given this lease, shrunk as it is.
      const handedBack = error instanceof MadakvError && error.code === 'worker_stopping';
      if (handedBack && !released) throw new HandBack(lease.timeToLiveMs, 'the lease could not be released');
      throw error;
    }
    await left();
    // What leaving did belongs to the lease's history.
    return answered.map(({ trace, ...rest }, i) => ({
      ...rest,
      trace: { ...trace, lease: { ...trace.lease, events: [...shares[i].history.events] } },
    }));
  }

  /** Where one of the questions fails the request does, and the others are of no use any more. */
  private askAll(
    { attempt, questions }: AskedRequest,
    lease: SharedLease,
    shares: readonly LeaseShare[],
  ): Promise<AnsweredQuestion[]> {
    const failure = new AbortController();
    const signal = AbortSignal.any([attempt.signal, failure.signal]);
    return this.parts.crashes.watch(attempt.request.requestId, async (begin) => {
      let hasBegun = false;
      const onBegin = (): void => {
        if (!hasBegun) begin();
        hasBegun = true;
      };
      const ends = await Promise.allSettled(
        questions.map(async (question, i) => {
          try {
            return await this.parts.questions.run(question, { lease, share: shares[i] }, { signal, onBegin });
          } catch (error) {
            failure.abort(error);
            throw error;
          }
        }),
      );
      if (failure.signal.aborted) throw failure.signal.reason;
      return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
    });
  }

  /** Writes what came of its questions. */
  async finish(asked: AskedRequest, answered: readonly AnsweredQuestion[]): Promise<RequestJobResult> {
    const { request } = asked.attempt;
    const { requestId, model } = request;
    await withSpan('finalize', { attributes: { requestId, tenant: request.tenant, model } }, async () => {
      const completion = completionOf(asked, answered, this.parts.systemFingerprint());
      const traces = answered.map(({ trace }) => trace);
      await this.parts.outcomes.complete({ ...request, customId: asked.prepared.customId }, completion, ...traces);
    });
    requestSettled({ model, seconds: (Date.now() - request.acceptedAtMs) / 1_000 });
    return { state: 'settled' };
  }

  /** The request's waits, told once it has its lease. */
  private taken({ attempt, prepared }: AskedRequest, { times }: SharedLease): void {
    const { request, takenAtMs } = attempt;
    const { asked, granted } = times;
    const { queue, fetch, rasterise, tokenise } = prepared.ms;
    const readyAtMs = request.acceptedAtMs + queue + fetch + rasterise + tokenise;
    const endMs = Math.max(readyAtMs, Math.min(takenAtMs, asked));
    const { requestId, model } = request;
    recordedSpan('queue', {
      of: 'generate',
      startMs: readyAtMs,
      endMs,
      attributes: { requestId, model, queueKind: 'generate' },
    });
    queueWaited({ kind: 'generate', model, seconds: (endMs - readyAtMs) / 1_000 });
    leaseWaited({ model, seconds: (granted - asked) / 1_000 });
  }
}
