import {
  AnsweredTraceSchema,
  FailedTraceSchema,
  MadakvError,
  TraceDocumentSchema,
  type PreparedRequest,
  type RequestJob,
} from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import type { EngineAnswer } from '../engine/engine.host.js';
import { answeredTrace, failedTrace, type FailureSources, type LeaseHistory } from './trace.document.builder.js';

const T0 = 1_732_291_721_000;

const request: RequestJob = {
  requestId: 'batch_a_7',
  tenant: 'acme',
  model: 'reader',
  source: { kind: 'line', batchId: 'batch_a', line: 7, fileKey: 'files/f', start: 0, length: 9 },
  acceptedAtMs: T0,
};
const prepared: PreparedRequest = {
  requestId: request.requestId,
  customId: 'mine',
  messages: [],
  images: [{ key: 'images/a', width: 56, height: 84, part: 'messages.0.content.0.file', page: 2 }],
  warnings: [{ code: 'blank_page', message: 'page 2: blank', param: 'messages.0.content.0.file' }],
  parameters: {},
  promptTokens: { text: 40, visual: 6 },
  fullBytes: 4_600,
  cacheRatio: 0.2,
  minCacheRatio: 0.1,
  ms: { queue: 10, fetch: 1, rasterise: 20, tokenise: 4 },
};
const lease: LeaseHistory = {
  ref: { deviceId: 'gpu-1', leaseId: 'l', fencingToken: 3 },
  requests: 1,
  grantedBytes: 920,
  events: [{ atMs: T0 + 100, event: 'granted', bytes: 4_600 }],
};
const common = {
  request,
  attempt: 2,
  worker: 'w',
  otelTraceId: undefined,
  begunAtMs: [],
  holderSinceMs: undefined,
};

function failure(changes: Partial<FailureSources>): FailureSources {
  return {
    ...common,
    customId: 'mine',
    stage: 'generate',
    error: new MadakvError('exceeds_device_memory', 'needs at least 460 bytes; the largest device has 100'),
    prepared,
    lease: undefined,
    at: { taken: T0 + 50, asked: T0 + 60, granted: undefined, failed: T0 + 90 },
    ...changes,
  };
}

describe('answeredTrace', () => {
  it('has the times of both jobs, and the images with their tokens', () => {
    const ms = { queue: 0, vision: 5, prefill: 6, observe: 1, evict: 2, firstToken: 14, decode: 30 };
    const bytes = { full: 4_600, peak: 4_000, afterEviction: 900, final: 920 };
    const cache = { policy: 'madakv', ratio: 0.2, protocol: 'replay', modalities: ['text'], promptTokens: [40] };
    const answer = {
      imagePlaces: [{ tokens: 6, start: 2, rows: 2, columns: 3, stride: 3 }],
      finishReason: 'stop',
      usage: { prompt_tokens: 46, completion_tokens: 3, total_tokens: 49 },
      trace: { ...cache, sharing: { requests: 1, sharedTokens: 0, cachedTokens: 0 }, layers: [], bytes, ms },
    } as unknown as EngineAnswer;
    const at = { taken: T0 + 50, asked: T0 + 60, granted: T0 + 100, answered: T0 + 200 };
    const trace = answeredTrace({ ...common, prepared, answer, lease, at });
    expect(TraceDocumentSchema.parse(trace)).toEqual(AnsweredTraceSchema.parse(trace));
    expect(trace).toMatchObject({ error: null, device: 'gpu-1', customId: 'mine', batchId: 'batch_a' });
    expect(trace.images).toMatchObject([
      {
        part: 'messages.0.content.0.file',
        page: 2,
        width: 56,
        height: 84,
        tokens: 6,
        place: { start: 2, rows: 2, columns: 3, stride: 3 },
        key: prepared.images[0].key,
      },
    ]);
    expect(trace.warnings).toEqual(prepared.warnings);
    expect(trace.ms).toMatchObject({ queuePrepare: 10, prepare: 25, queueGenerate: 15, lease: 40, total: 200 });
  });
});

describe('failedTrace', () => {
  it('of a request that was refused while it was prepared has the error and the times until then', () => {
    const error = new MadakvError('invalid_document', 'locked', { param: 'messages.0', reason: 'encrypted_pdf' });
    const at = { taken: T0 + 50, asked: undefined, granted: undefined, failed: T0 + 90 };
    const trace = failedTrace(failure({ stage: 'prepare', error, prepared: undefined, at }));
    expect(TraceDocumentSchema.parse(trace)).toEqual(FailedTraceSchema.parse(trace));
    const { code, message, param, reason } = error;
    expect(trace).toMatchObject({
      id: 'batch_a_7',
      customId: 'mine',
      attempt: 2,
      error: { stage: 'prepare', code, message, param, reason },
      warnings: [],
      prompt: null,
      device: null,
      images: [],
      cache: null,
      lease: null,
      usage: null,
      finishReason: null,
    });
    expect(trace.ms).toMatchObject({ queuePrepare: 50, prepare: 40, queueGenerate: null, lease: null, total: 90 });
  });

  it('of one that no device could hold has its prompt and how long it asked', () => {
    const trace = FailedTraceSchema.parse(failedTrace(failure({})));
    expect(trace.prompt).toEqual({ tokens: { text: 40, visual: 6 }, fullBytes: 4_600, requestedRatio: 0.2 });
    expect(trace.images).toMatchObject([{ page: 2, tokens: null }]);
    expect(trace.warnings).toEqual(prepared.warnings);
    expect(trace.ms).toMatchObject({ queuePrepare: 10, prepare: 25, queueGenerate: 15, lease: 30, prefill: null });
  });

  it('of one that failed under its lease has the lease', () => {
    const at = { taken: T0 + 50, asked: T0 + 60, granted: T0 + 100, failed: T0 + 500 };
    const trace = FailedTraceSchema.parse(failedTrace(failure({ lease, at })));
    expect(trace).toMatchObject({ device: 'gpu-1', lease: { grantedBytes: 920, events: lease.events } });
    expect(trace.ms).toMatchObject({ lease: 40, total: 500 });
  });

  it('has its preparation where it was, beside others of its job, and where no time is noted after its wait', () => {
    const prepare = (changes: Partial<PreparedRequest>) =>
      (failedTrace(failure({ prepared: { ...prepared, ...changes } })).timeline ?? [])
        .filter(({ stage }) => stage === 'prepare')
        .map(({ what, fromMs, untilMs }) => [what, fromMs, untilMs]);
    expect(prepare({})).toEqual([
      ['queue', 0, 10],
      ['prepared', 10, 35],
    ]);
    expect(prepare({ at: { fromMs: T0 + 20, untilMs: T0 + 48 } })).toEqual([
      ['queue', 0, 20],
      ['prepared', 20, 48],
    ]);
  });

  it('has an attempt that came to nothing once, in the job in which it was made', () => {
    const ended = { worker: 'v', fromMs: T0 + 20, untilMs: T0 + 30, times: 1 };
    const past = [
      { ...ended, stage: 'prepare' as const, code: 'budget_unavailable' },
      { ...ended, stage: 'generate' as const, code: 'storage_unavailable' },
    ];
    const attempts = (changes: Partial<FailureSources>) =>
      (failedTrace(failure({ request: { ...request, past }, ...changes })).timeline ?? [])
        .filter(({ kind }) => kind === 'attempt')
        .map(({ stage, what }) => `${stage} ${what}`);
    const failed = 'generate exceeds_device_memory';
    expect(attempts({ prepared: { ...prepared, past: past.slice(0, 1) } })).toEqual([
      'prepare prepared',
      'prepare budget_unavailable',
      'generate storage_unavailable',
      failed,
    ]);
    expect(attempts({ prepared: undefined })).toEqual([
      'prepare budget_unavailable',
      'generate storage_unavailable',
      failed,
    ]);
    expect(attempts({ prepared: undefined, stage: 'prepare' })).toEqual([
      'prepare budget_unavailable',
      'generate storage_unavailable',
      'prepare exceeds_device_memory',
    ]);
  });

  it('of one of which nothing is known but that it was given up says so', () => {
    const at = { taken: undefined, asked: undefined, granted: undefined, failed: T0 + 90 };
    const { ms } = FailedTraceSchema.parse(failedTrace(failure({ prepared: undefined, at })));
    expect(Object.entries(ms).filter(([, value]) => value !== null)).toEqual([['total', 90]]);
  });
});
