import type { MadakvError } from '@madakv/contracts';
import { errorTrail, type RequestJob } from '@madakv/contracts';
import { currentTraceId, requestSettled, withTraceparent } from '@madakv/telemetry';
import type { OutcomeWriter } from '../outcome/outcome.writer.js';
import { failedTrace } from '../trace/trace.document.builder.js';
import { asMadakvError, FinalError } from './failure.js';
import { GoesAlone, HandBack } from './hand.back.js';
import type { RequestAttempt, RequestStage } from './request.attempt.js';

/** Work on a request that came to an end without an answer. */
export interface EndedWork extends Pick<RequestAttempt, 'request' | 'learnt'> {
  readonly stage: RequestStage;
  readonly takenAtMs: number | undefined;
}

/** What becomes of a request whose work threw. */
export type Settlement =
  /** There is nothing left to do for it. */
  | { readonly kind: 'settled' }
  /** It is nobody's fault: the job goes back without having used an attempt. `error`: why, where it was not told to wait. */
  | { readonly kind: 'back'; readonly delayMs: number; readonly error?: MadakvError }
  /** It may pass: it is tried again after a pause. */
  | { readonly kind: 'again'; readonly error: MadakvError }
  /** It goes on in jobs of its own. */
  | { readonly kind: 'alone' };

export interface SettlerLog {
  warn(message: string): void;
  error(message: string): void;
}

/** When a job is tried again whose worker ends, whose memory cannot be asked for, or whose outcome could not be written. */
const WORKER_STOPPING_MS = 0;
const BUDGET_AWAY_MS = 1_000;
const UNWRITTEN_MS = 5_000;

/**
 * Decides what an error means for a request. It may pass; it is nobody's fault; or it is final, or the attempts are used up: then it
 * is written as the request's answer.
 */
export class AttemptSettler {
  constructor(
    private readonly outcomes: Pick<OutcomeWriter, 'fail'>,
    private readonly log: SettlerLog,
    readonly worker: string,
    /** Told once a request has ended, with an answer or without: it will never ask for memory again, whatever was stated for it. */
    private readonly onEnded: (request: RequestJob) => void,
  ) {}

  /** The request's answer is written. */
  answered(request: RequestJob): void {
    this.onEnded(request);
  }

  /**
   * @param attempt from 1
   * @param last whether it is not tried again
   */
  async settle(ended: EndedWork, error: unknown, attempt: number, last: boolean): Promise<Settlement> {
    const { request } = ended;
    if (error instanceof HandBack) return { kind: 'back', delayMs: error.delayMs };
    if (error instanceof GoesAlone) return { kind: 'alone' };
    const failure = asMadakvError(error);
    if (failure.code === 'worker_stopping') return { kind: 'back', delayMs: WORKER_STOPPING_MS, error: failure };
    if (failure.code === 'budget_unavailable') return { kind: 'back', delayMs: BUDGET_AWAY_MS, error: failure };
    if (failure.retryable && !(error instanceof FinalError) && !last) {
      this.log.warn(`${request.requestId}: ${failure.code}, is tried again: ${failure.message}`);
      return { kind: 'again', error: failure };
    }
    if (failure.code === 'cancelled' && request.source.kind === 'line') {
      // Its batch ends and writes down all lines that have no outcome then, as cancelled or expired.
      this.onEnded(request);
      return { kind: 'settled' };
    }
    if (failure.code === 'internal_error') this.log.error(`${request.requestId}: ${errorTrail(error)}`);
    try {
      await this.fail(ended, attempt, failure);
    } catch (unwritten) {
      this.log.warn(`${request.requestId}: its outcome cannot be written yet: ${errorTrail(asMadakvError(unwritten))}`);
      return { kind: 'back', delayMs: UNWRITTEN_MS, error: asMadakvError(unwritten) };
    }
    return { kind: 'settled' };
  }

  /** Writes the error as the request's answer. @param attempt from 1 */
  fail({ request, stage, takenAtMs, learnt }: EndedWork, attempt: number, error: MadakvError): Promise<void> {
    return withTraceparent(request.traceparent, async () => {
      const { customId, prepared, lease, askedAtMs, grantedAtMs, begunAtMs, holderSinceMs, spent } = learnt;
      const trace = failedTrace({
        request,
        customId,
        stage,
        error,
        attempt,
        worker: this.worker,
        otelTraceId: currentTraceId(),
        prepared,
        lease,
        at: { taken: takenAtMs, asked: askedAtMs, granted: grantedAtMs, failed: Date.now() },
        begunAtMs,
        holderSinceMs,
      });
      await this.outcomes.fail({ ...request, customId }, error, trace, spent);
      requestSettled({ model: request.model, seconds: (Date.now() - request.acceptedAtMs) / 1_000, error });
      this.onEnded(request);
    });
  }
}
