import type { ModelJob, PreparedRequest, RequestJob, RequestJobResult } from '@madakv/contracts';
import type { UsageCounts } from '@madakv/records';
import type { Job } from 'bullmq';
import type { FailureSources, LeaseHistory } from '../trace/trace.document.builder.js';

/** A prepare or generate job, of one request or of several that are worked on together. */
export type BullModelJob = Pick<
  Job<ModelJob, RequestJobResult>,
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
  /** When engines began with it that died, in milliseconds since 1970. */
  begunAtMs: readonly number[];
  /** Since when it waits for the worker that holds its document. */
  holderSinceMs: number | undefined;
  /** What engines have computed for its questions so far, whether or not it comes to an answer. */
  spent: SpentTokens;
}

/** Tokens that were read and written for a request. */
export type SpentTokens = Pick<UsageCounts, 'promptTokens' | 'completionTokens'>;

/** One attempt at a request. */
export interface RequestAttempt {
  readonly request: RequestJob;
  /** Ends the attempt early; its reason is a MadakvError. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** When this worker took the job, in milliseconds since 1970. */
  readonly takenAtMs: number;
  /** For the trace of a request that fails. */
  readonly learnt: Learnt;
}

/** What a job may wait for: room, a worker that holds its document. */
export type JobWaits = Pick<RequestJob, 'roomSinceMs' | 'holderSinceMs'>;

/** A job that this worker has taken. */
export interface TakenJob {
  /** Whether several requests are worked on together. */
  readonly grouped: boolean;
  /** Differs between attempts at the job, and is the same while one of them is handed back again and again. */
  readonly holder: string;
  /** Since when it waits for what, in milliseconds since 1970, as it was last noted. */
  readonly waits: JobWaits;
  /** Notes with the job that it waits, or no longer does. */
  note(waits: JobWaits): Promise<void>;
  /** Puts some of a group's requests, which are prepared, into a job of their own, so that another worker may take it. */
  split(requests: readonly RequestJob[]): Promise<void>;
}

/** How the work on a request ended: it threw, or there is nothing left to do in this job. */
export type WorkEnd = PromiseSettledResult<RequestJobResult>;

export function nothingLearnt(): Learnt {
  return {
    customId: null,
    prepared: undefined,
    askedAtMs: undefined,
    grantedAtMs: undefined,
    lease: undefined,
    begunAtMs: [],
    holderSinceMs: undefined,
    spent: { promptTokens: 0, completionTokens: 0 },
  };
}
