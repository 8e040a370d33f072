import type {
  AnsweredTrace,
  FailedTrace,
  LeaseEvent,
  LeaseRef,
  MadakvError,
  PreparedImageRef,
  PreparedRequest,
  RequestJob,
  TimelineEntry,
} from '@madakv/contracts';
import { traceCache } from '@madakv/requests';
import type { EngineAnswer, EngineImagePlace } from '../engine/engine.host.js';
import { pastOf } from '../roles/past.attempts.js';
import { timelineOf } from './timeline.js';

/** The memory that a request has, or had. */
export interface LeaseHistory {
  readonly ref: LeaseRef;
  /** Requests that share it, this one included. */
  readonly requests: number;
  /** What eviction might keep for this one. */
  readonly grantedBytes: number;
  readonly events: readonly LeaseEvent[];
}

interface RequestSources {
  readonly request: RequestJob;
  /** From 1. */
  readonly attempt: number;
  readonly worker: string;
  readonly otelTraceId: string | undefined;
  /** When engines began with it that died. */
  readonly begunAtMs: readonly number[];
  /** Since when it waited for the worker that holds its document. */
  readonly holderSinceMs: number | undefined;
}

export interface AnswerSources extends RequestSources {
  readonly prepared: PreparedRequest;
  readonly answer: EngineAnswer;
  readonly lease: LeaseHistory;
  /** In milliseconds since 1970. */
  readonly at: {
    /** This worker took the job. */
    readonly taken: number;
    /** Memory was asked for the first time. */
    readonly asked: number;
    readonly granted: number;
    /** The answer is complete. */
    readonly answered: number;
  };
}

export interface FailureSources extends RequestSources {
  readonly customId: string | null;
  readonly stage: FailedTrace['error']['stage'];
  readonly error: MadakvError;
  readonly prepared: PreparedRequest | undefined;
  readonly lease: LeaseHistory | undefined;
  /** In milliseconds since 1970. */
  readonly at: {
    /** A worker took the job. */
    readonly taken: number | undefined;
    /** Memory was asked for the first time, and granted. */
    readonly asked: number | undefined;
    readonly granted: number | undefined;
    readonly failed: number;
  };
}

/** All about an answered request that its user may want to know afterwards. */
export function answeredTrace(sources: AnswerSources): AnsweredTrace {
  const { request, prepared, answer, lease, at } = sources;
  const { vision, prefill, observe, evict, firstToken, decode } = answer.trace.ms;
  return {
    ...head(sources, prepared),
    timeline: timelineOf({
      ...timelineStart(sources, 'generate'),
      askedAtMs: at.asked,
      grantedAtMs: at.granted,
      last: { stage: 'generate', worker: sources.worker, fromMs: at.taken, untilMs: at.answered, what: 'answered' },
    }),
    error: null,
    device: lease.ref.deviceId,
    images: prepared.images.map((image, i) => ({ ...placeOf(image), ...tokensOf(answer.imagePlaces[i]) })),
    cache: traceCache(answer.trace, prepared.cacheRatio),
    lease: leaseTrace(lease),
    usage: { promptTokens: answer.usage.prompt_tokens, completionTokens: answer.usage.completion_tokens },
    finishReason: answer.finishReason,
    ms: {
      queuePrepare: prepared.ms.queue,
      prepare: prepareMs(prepared),
      // A request that had to wait for room had been taken before it first asked.
      queueGenerate: queueGenerateMs(request, prepared, Math.min(at.taken, at.asked)),
      lease: Math.max(0, at.granted - at.asked),
      vision,
      prefill,
      observe,
      evict,
      firstToken,
      decode,
      total: Math.max(0, at.answered - request.acceptedAtMs),
    },
  };
}

/** What is known of a request that failed. */
export function failedTrace(sources: FailureSources): FailedTrace {
  const { request, stage, error, prepared, lease, at } = sources;
  return {
    ...head(sources, { customId: sources.customId, warnings: prepared?.warnings ?? [] }),
    timeline: timelineOf({
      ...timelineStart(sources, stage),
      askedAtMs: at.asked,
      grantedAtMs: at.granted,
      last: { stage, worker: sources.worker, fromMs: at.taken ?? at.failed, untilMs: at.failed, what: error.code },
    }),
    error: {
      stage,
      code: error.code,
      message: error.message,
      param: error.param ?? null,
      reason: error.reason ?? null,
    },
    prompt:
      prepared === undefined
        ? null
        : { tokens: prepared.promptTokens, fullBytes: prepared.fullBytes, requestedRatio: prepared.cacheRatio },
    device: lease?.ref.deviceId ?? null,
    images: prepared?.images.map((image) => ({ ...placeOf(image), tokens: null })) ?? [],
    cache: null,
    lease: lease === undefined ? null : leaseTrace(lease),
    usage: null,
    finishReason: null,
    ms: {
      ...(stage === 'prepare' ? timesOfPrepare(sources) : timesUntilLease(sources)),
      vision: null,
      prefill: null,
      observe: null,
      evict: null,
      firstToken: null,
      decode: null,
      total: Math.max(0, at.failed - request.acceptedAtMs),
    },
  };
}

type EarlyTimes = Pick<FailedTrace['ms'], 'queuePrepare' | 'prepare' | 'queueGenerate' | 'lease'>;

function timesOfPrepare({ request, at: { taken, failed } }: FailureSources): EarlyTimes {
  const none = { queueGenerate: null, lease: null };
  if (taken === undefined) return { queuePrepare: null, prepare: null, ...none };
  return { queuePrepare: Math.max(0, taken - request.acceptedAtMs), prepare: Math.max(0, failed - taken), ...none };
}

function timesUntilLease({ request, prepared, at: { taken, asked, granted, failed } }: FailureSources): EarlyTimes {
  const queued = Math.min(taken ?? Infinity, asked ?? Infinity);
  return {
    queuePrepare: prepared?.ms.queue ?? null,
    prepare: prepared === undefined ? null : prepareMs(prepared),
    queueGenerate: prepared === undefined || queued === Infinity ? null : queueGenerateMs(request, prepared, queued),
    lease: asked === undefined ? null : Math.max(0, (granted ?? failed) - asked),
  };
}

/** What came before the attempt that ended it. */
function timelineStart(
  { request, prepared, begunAtMs, holderSinceMs }: AnswerSources | FailureSources,
  stage: TimelineEntry['stage'],
) {
  const { acceptedAtMs, past } = request;
  return {
    acceptedAtMs,
    prepare: {
      past: prepared === undefined ? pastOf(past, 'prepare', stage) : pastOf(prepared.past, 'prepare', 'prepare'),
      ...(prepared === undefined ? {} : preparedAt(prepared, acceptedAtMs)),
    },
    generate: { past: pastOf(past, 'generate', stage), begunAtMs },
    holderSinceMs,
  };
}

/** One that an earlier version prepared says no more than how long it waited and what that took. */
function preparedAt({ at, ms }: PreparedRequest, acceptedAtMs: number) {
  if (at !== undefined) return { takenAtMs: at.fromMs, readyAtMs: at.untilMs };
  const takenAtMs = acceptedAtMs + ms.queue;
  return { takenAtMs, readyAtMs: takenAtMs + ms.fetch + ms.rasterise + ms.tokenise };
}

function head(
  { request, attempt, worker, otelTraceId }: RequestSources,
  { customId, warnings }: Pick<PreparedRequest, 'customId' | 'warnings'>,
) {
  return {
    version: 1 as const,
    id: request.requestId,
    tenant: request.tenant,
    batchId: request.source.kind === 'line' ? request.source.batchId : null,
    customId,
    model: request.model,
    createdAt: Math.floor(request.acceptedAtMs / 1_000),
    otelTraceId: otelTraceId ?? null,
    worker,
    attempt,
    warnings: [...warnings],
  };
}

function placeOf({ part, page, width, height, key }: PreparedImageRef) {
  return { part, page, width, height, key };
}

/** An image of another question than the one that was answered has no tokens in its prompt. */
function tokensOf(place: EngineImagePlace | undefined) {
  if (place === undefined) return { tokens: 0 };
  const { tokens, ...grid } = place;
  return { tokens, place: grid };
}

function leaseTrace({ ref, requests, grantedBytes, events }: LeaseHistory): AnsweredTrace['lease'] {
  const { leaseId, deviceId, fencingToken } = ref;
  return { leaseId, deviceId, fencingToken, requests, grantedBytes, events: [...events] };
}

function prepareMs({ ms }: PreparedRequest): number {
  return ms.fetch + ms.rasterise + ms.tokenise;
}

/** @param untilMs when its wait ended, in milliseconds since 1970 */
function queueGenerateMs({ acceptedAtMs }: RequestJob, prepared: PreparedRequest, untilMs: number): number {
  return Math.max(0, untilMs - acceptedAtMs - prepared.ms.queue - prepareMs(prepared));
}
