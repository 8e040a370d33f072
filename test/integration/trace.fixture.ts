import type { AnsweredTrace, FailedTrace, MadakvError } from '@madakv/contracts';

interface TracedRequest {
  readonly id: string;
  readonly tenant: string;
  readonly model: string;
}

const WAITS = { queuePrepare: 0, prepare: 0, queueGenerate: 0, lease: 0 };

/** The trace of a request about nothing that was answered at once. */
export function sampleTrace(request: TracedRequest): AnsweredTrace {
  return {
    ...headOf(request),
    error: null,
    device: 'd',
    images: [],
    cache: {
      policy: 'madakv',
      requestedRatio: 0.2,
      ratio: 0.2,
      protocol: 'p',
      modalities: ['text'],
      promptTokens: [5],
      sharing: { requests: 1, sharedTokens: 0, cachedTokens: 0 },
      layers: [],
      bytes: { full: 1, peak: 1, afterEviction: 1, final: 1 },
    },
    lease: { leaseId: 'l', deviceId: 'd', fencingToken: 1, requests: 1, grantedBytes: 1, events: [] },
    usage: { promptTokens: 5, completionTokens: 1 },
    finishReason: 'stop',
    ms: { ...WAITS, vision: 0, prefill: 0, observe: 0, evict: 0, firstToken: 0, decode: 0, total: 0 },
  };
}

/** The trace of a request that was refused while it was prepared. */
export function sampleFailure(request: TracedRequest, { code, message }: MadakvError): FailedTrace {
  const unreached = { vision: null, prefill: null, observe: null, evict: null, firstToken: null, decode: null };
  return {
    ...headOf(request),
    error: { stage: 'prepare', code, message, param: null, reason: null },
    prompt: null,
    device: null,
    images: [],
    cache: null,
    lease: null,
    usage: null,
    finishReason: null,
    ms: { ...WAITS, queueGenerate: null, lease: null, ...unreached, total: 0 },
  };
}

function headOf({ id, tenant, model }: TracedRequest) {
  return {
    version: 1 as const,
    id,
    tenant,
    batchId: null,
    customId: null,
    model,
    createdAt: 1,
    otelTraceId: null,
    worker: 'w',
    attempt: 1,
    warnings: [],
  };
}
