import type { LeaseEvent, LeaseRef, PreparedRequest, RequestJob, TraceDocument } from '@madakv/contracts';
import { traceCache } from '@madakv/requests';
import type { EngineAnswer } from '../engine/engine.host.js';

export interface TraceSources {
  readonly request: RequestJob;
  readonly prepared: PreparedRequest;
  readonly answer: EngineAnswer;
  /** From 1. */
  readonly attempt: number;
  readonly worker: string;
  readonly otelTraceId: string | undefined;
  readonly lease: {
    readonly ref: LeaseRef;
    readonly grantedBytes: number;
    readonly events: readonly LeaseEvent[];
  };
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

/** All about a request that its user may want to know afterwards. */
export function traceDocument(sources: TraceSources): TraceDocument {
  const { request, prepared, answer, lease, at } = sources;
  return {
    version: 1,
    id: request.requestId,
    tenant: request.tenant,
    batchId: request.source.kind === 'line' ? request.source.batchId : null,
    customId: prepared.customId,
    model: request.model,
    createdAt: Math.floor(request.acceptedAtMs / 1_000),
    otelTraceId: sources.otelTraceId ?? null,
    worker: sources.worker,
    device: lease.ref.deviceId,
    attempt: sources.attempt,
    images: prepared.images.map(({ part, page, width, height }, i) => ({
      part,
      page,
      width,
      height,
      tokens: answer.imageTokens[i] ?? 0,
    })),
    cache: traceCache(answer.trace, prepared.cacheRatio),
    lease: {
      leaseId: lease.ref.leaseId,
      deviceId: lease.ref.deviceId,
      fencingToken: lease.ref.fencingToken,
      grantedBytes: lease.grantedBytes,
      events: [...lease.events],
    },
    usage: { promptTokens: answer.usage.prompt_tokens, completionTokens: answer.usage.completion_tokens },
    finishReason: answer.finishReason,
    ms: times(sources),
  };

  function times({ at: { asked, granted, answered } }: TraceSources): TraceDocument['ms'] {
    const { ms } = prepared;
    const { vision, prefill, observe, evict, firstToken, decode } = answer.trace.ms;
    const prepare = ms.fetch + ms.rasterise + ms.tokenise;
    return {
      queuePrepare: ms.queue,
      prepare,
      // A request that had to wait for room had been taken before it first asked.
      queueGenerate: Math.max(0, Math.min(at.taken, asked) - request.acceptedAtMs - ms.queue - prepare),
      lease: Math.max(0, granted - asked),
      vision,
      prefill,
      observe,
      evict,
      firstToken,
      decode,
      total: Math.max(0, answered - request.acceptedAtMs),
    };
  }
}
