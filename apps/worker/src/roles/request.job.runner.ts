import {
  errorTrail,
  MadakvError,
  RequestJobSchema,
  type PreparedRequest,
  type RequestJob,
  type RequestJobResult,
} from '@madakv/contracts';
import { currentTraceId, requestSettled } from '@madakv/telemetry';
import { DelayedError, type Job } from 'bullmq';
import type { OutcomeWriter } from '../outcome/outcome.writer.js';
import { failedTrace, type FailureSources, type LeaseHistory } from '../trace/trace.document.builder.js';
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

/** In which of its two jobs a request is. */
export type RequestStage = FailureSources['stage'];

/** What an attempt has learnt about its request; whoever learns it notes it here. */
export interface Learnt {
  /** Name that the request's caller gave it. */
  customId: string | null;
  prepared: PreparedRequest | undefined;
  /** When memory was asked for the first time, and granted, in milliseconds since 1970. */
  askedAtMs: number | undefined;
  grantedAtMs: number | undefined;
  lease: LeaseHistory | undefined;
}

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
  /** For the trace of a request that fails. */
  readonly learnt: Learnt;
  /** Replaces the job's data. */
  update(request: RequestJob): Promise<void>;
}

/** Work on a request that came to an end without an answer. */
interface EndedWork extends Pick<RequestAttempt, 'request' | 'learnt'> {
  readonly stage: RequestStage;
  readonly takenAtMs: number | undefined;
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
    private readonly workerId: string,
    /** Told once a request has ended without an answer. */
    private readonly onFailed: (request: RequestJob) => void = () => undefined,
  ) {}

  /** A BullMQ processor. */
  async run(
    job: BullRequestJob,
    token: string | undefined,
    stage: RequestStage,
    work: (attempt: RequestAttempt) => Promise<RequestJobResult>,
  ): Promise<RequestJobResult> {
    const request = RequestJobSchema.parse(job.data);
    const takenAtMs = Date.now();
    const learnt = nothingLearnt();
    try {
      if (await this.outcomes.isSettled(request)) return { state: 'settled' };
      return await this.running.track(request, (signal) => {
        const attempt: RequestAttempt = {
          request,
          signal,
          attempt: job.attemptsMade + 1,
          holder: `${job.attemptsMade + 1}.${job.stalledCounter}`,
          takenAtMs,
          learnt,
          update: (data) => job.updateData(data),
        };
        return work(attempt);
      });
    } catch (error) {
      return await this.settle(job, token, { request, stage, takenAtMs, learnt }, error);
    }
  }

  /** BullMQ gave a job up, as when it killed one worker after the other: its reader must not wait for ever. */
  async givenUp(job: BullRequestJob, stage: RequestStage): Promise<void> {
    const request = RequestJobSchema.parse(job.data);
    if (await this.outcomes.isSettled(request)) return;
    const error = new MadakvError('internal_error', 'the workers that took this request died over it');
    const ended = { request, stage, takenAtMs: job.processedOn, learnt: nothingLearnt() };
    await this.fail(ended, job.attemptsMade, error);
  }

  private async settle(
    job: BullRequestJob,
    token: string | undefined,
    ended: EndedWork,
    error: unknown,
  ): Promise<RequestJobResult> {
    const { request } = ended;
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
    if (failure.code === 'internal_error') this.log.error(`${request.requestId}: ${errorTrail(error)}`);
    try {
      await this.fail(ended, job.attemptsMade + 1, failure);
    } catch (unwritten) {
      this.log.warn(`${request.requestId}: its outcome cannot be written yet: ${errorTrail(asMadakvError(unwritten))}`);
      return await delay(job, token, UNWRITTEN_MS);
    }
    return { state: 'settled' };
  }

  private async fail(
    { request, stage, takenAtMs, learnt }: EndedWork,
    attempt: number,
    error: MadakvError,
  ): Promise<void> {
    const { customId, prepared, lease, askedAtMs, grantedAtMs } = learnt;
    const trace = failedTrace({
      request,
      customId,
      stage,
      error,
      attempt,
      worker: this.workerId,
      otelTraceId: currentTraceId(),
      prepared,
      lease,
      at: { taken: takenAtMs, asked: askedAtMs, granted: grantedAtMs, failed: Date.now() },
    });
    await this.outcomes.fail({ ...request, customId }, error, trace);
    requestSettled({ model: request.model, seconds: (Date.now() - request.acceptedAtMs) / 1_000, error });
    this.onFailed(request);
  }
}

function nothingLearnt(): Learnt {
  return { customId: null, prepared: undefined, askedAtMs: undefined, grantedAtMs: undefined, lease: undefined };
}

async function delay(job: BullRequestJob, token: string | undefined, delayMs: number): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token);
  throw new DelayedError();
}
