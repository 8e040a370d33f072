import { MadakvError, RequestJobSchema, type RequestJob, type RequestJobResult } from '@madakv/contracts';
import { requestSettled } from '@madakv/telemetry';
import { DelayedError, type Job } from 'bullmq';
import type { AnsweredRequest, OutcomeWriter } from '../outcome/outcome.writer.js';
import { asMadakvError, FinalError } from './failure.js';
import { HandBack } from './hand.back.js';
import type { RunningRequests } from './running.requests.js';

export type BullRequestJob = Pick<
  Job<RequestJob, RequestJobResult>,
  | 'data'
  | 'opts'
  | 'attemptsMade'
  | 'stalledCounter'
  | 'timestamp'
  | 'processedOn'
  | 'moveToDelayed'
  | 'updateData'
  | 'deferredFailure'
>;

/** One attempt at a job of a request. */
export interface RequestAttempt {
  readonly request: RequestJob;
  /** Ends the attempt early; its reason is a MadakvError. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** Differs between attempts, and is the same while one of them is handed back again and again. */
  readonly holder: string;
  /** When this worker took the job, in milliseconds since 1970. */
  readonly takenAtMs: number;
  /** Name that the request's caller gave it; whoever learns it notes it here. */
  customId: string | null;
  /** Replaces the job's data. */
  update(request: RequestJob): Promise<void>;
}

export interface RunnerLog {
  warn(message: string): void;
  error(message: string): void;
}

/** When a job is tried again whose worker ends, whose memory cannot be asked for, or whose outcome could not be written. */
const WORKER_STOPPING_MS = 0;
const BUDGET_AWAY_MS = 1_000;
const UNWRITTEN_MS = 5_000;

/**
 * What is the same for jobs of both kinds: nothing is done twice, cancelling ends the work, and every error becomes one of
 * three things. It may pass: the job is tried again after BullMQ's back-off. It is nobody's fault: the job goes back without
 * having used an attempt. It is final, or the attempts are used up: it is written as the request's answer, and the job is done.
 */
export class RequestJobRunner {
  constructor(
    private readonly outcomes: Pick<OutcomeWriter, 'isSettled' | 'fail'>,
    private readonly running: RunningRequests,
    private readonly log: RunnerLog,
    /** Told once a request has ended without an answer. */
    private readonly onFailed: (request: RequestJob) => void = () => undefined,
  ) {}

  /** A BullMQ processor. */
  async run(
    job: BullRequestJob,
    token: string | undefined,
    work: (attempt: RequestAttempt) => Promise<RequestJobResult>,
  ): Promise<RequestJobResult> {
    const request = RequestJobSchema.parse(job.data);
    const takenAtMs = Date.now();
    let attempt: RequestAttempt | undefined;
    try {
      if (await this.outcomes.isSettled(request)) return { state: 'settled' };
      return await this.running.track(request, (signal) => {
        attempt = {
          request,
          signal,
          attempt: job.attemptsMade + 1,
          holder: `${job.attemptsMade + 1}.${job.stalledCounter}`,
          takenAtMs,
          customId: null,
          update: (data) => job.updateData(data),
        };
        return work(attempt);
      });
    } catch (error) {
      return await this.settle(job, token, { ...request, customId: attempt?.customId ?? null }, error);
    }
  }

  /** BullMQ gave a job up, as when it killed one worker after the other: its reader must not wait for ever. */
  async givenUp(job: BullRequestJob): Promise<void> {
    const request = RequestJobSchema.parse(job.data);
    if (await this.outcomes.isSettled(request)) return;
    const error = new MadakvError('internal_error', 'the workers that took this request died over it');
    await this.fail({ ...request, customId: null }, error);
  }

  private async settle(
    job: BullRequestJob,
    token: string | undefined,
    request: RequestJob & AnsweredRequest,
    error: unknown,
  ): Promise<RequestJobResult> {
    if (error instanceof HandBack) return await delay(job, token, error.delayMs);
    const failure = asMadakvError(error);
    if (failure.code === 'worker_stopping') return await delay(job, token, WORKER_STOPPING_MS);
    if (failure.code === 'budget_unavailable') return await delay(job, token, BUDGET_AWAY_MS);
    const last = job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
    if (failure.retryable && !(error instanceof FinalError) && !last) {
      this.log.warn(`${request.requestId}: ${failure.code}, is tried again: ${failure.message}`);
      throw failure;
    }
    if (failure.code === 'cancelled' && request.source.kind === 'line') {
      // Its batch ends and writes down all lines that have no outcome then, as cancelled or expired.
      this.onFailed(request);
      return { state: 'settled' };
    }
    if (failure.code === 'internal_error') this.log.error(`${request.requestId}: ${describe(error)}`);
    try {
      await this.fail(request, failure);
    } catch (unwritten) {
      this.log.warn(`${request.requestId}: its outcome cannot be written yet: ${describe(unwritten)}`);
      return await delay(job, token, UNWRITTEN_MS);
    }
    return { state: 'settled' };
  }

  private async fail(request: RequestJob & AnsweredRequest, error: MadakvError): Promise<void> {
    await this.outcomes.fail(request, error);
    requestSettled({ model: request.model, seconds: (Date.now() - request.acceptedAtMs) / 1_000, error });
    this.onFailed(request);
  }
}

async function delay(job: BullRequestJob, token: string | undefined, delayMs: number): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token);
  throw new DelayedError();
}

/** Name and place of an error, without texts that may quote a document. */
function describe(error: unknown): string {
  const { cause, stack } = error as Error;
  if (cause instanceof Error) return describe(cause);
  return stack ?? String(error);
}
