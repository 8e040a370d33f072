/**
 * The names of all that the system tells about itself: attributes, spans, span events, metric instruments. gen_ai.*, http.*,
 * nodejs.*, rpc.* and error.type follow the OpenTelemetry semantic conventions (GenAI's and Node's are in development); what they do not
 * name is in madakv.*. docs/telemetry.md has these tables for people.
 */

/**
 * Attributes of spans, and of metrics where a metric lists them. Ids of jobs, batches, leases and requests belong in spans,
 * never in a metric's attributes.
 */
export const ATTRIBUTES = {
  /** Code of a MadakvError, or the class of another error. */
  errorType: 'error.type',
  /** Finer code beside it, such as libs/documents' `encrypted_pdf`. */
  errorReason: 'madakv.error.reason',

  httpMethod: 'http.request.method',
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  urlPath: 'url.path',
  urlScheme: 'url.scheme',

  rpcSystem: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  rpcStatus: 'rpc.status_code',

  /** `chat`. */
  operation: 'gen_ai.operation.name',
  /** `madakv`. */
  provider: 'gen_ai.provider.name',
  model: 'gen_ai.request.model',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  topP: 'gen_ai.request.top_p',
  topK: 'gen_ai.request.top_k',
  seed: 'gen_ai.request.seed',
  stream: 'gen_ai.request.stream',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  inputTokens: 'gen_ai.usage.input_tokens',
  textInputTokens: 'gen_ai.usage.text.input_tokens',
  imageInputTokens: 'gen_ai.usage.image.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  /** Of the input those that were not computed for this request. */
  cachedInputTokens: 'gen_ai.usage.cache_read.input_tokens',

  requestId: 'madakv.request.id',
  batchId: 'madakv.batch.id',
  /** Line of the input file, from 1. */
  batchLine: 'madakv.batch.line',
  /** Lines of a window, or of a finished batch. */
  batchLines: 'madakv.batch.lines',
  jobId: 'madakv.job.id',
  /** Attempt at a job, from 1. */
  attempt: 'madakv.job.attempt',
  tenant: 'madakv.tenant',
  worker: 'madakv.worker.id',
  /** batch, prepare or generate. */
  queueKind: 'madakv.queue.kind',
  queueName: 'madakv.queue.name',
  /** Pages and images of the prompt. */
  images: 'madakv.prompt.images',

  policy: 'madakv.cache.policy',
  requestedRatio: 'madakv.cache.requested_ratio',
  grantedRatio: 'madakv.cache.granted_ratio',
  /** Bytes of the prompt's whole cache, the most that was allocated, and what was left after eviction. */
  fullBytes: 'madakv.cache.full_bytes',
  peakBytes: 'madakv.cache.peak_bytes',
  keptBytes: 'madakv.cache.kept_bytes',
  /** Requests that were read together with this one, itself included. */
  sharedRequests: 'madakv.cache.shared_requests',

  layer: 'madakv.layer.index',
  /** Rows a head: meant to keep, asked for by the attention, paid for by later layers, kept. */
  layerBudget: 'madakv.layer.budget',
  layerDemand: 'madakv.layer.demand',
  layerCompensation: 'madakv.layer.compensation',
  layerRows: 'madakv.layer.rows',

  deviceId: 'madakv.device.id',
  leaseId: 'madakv.lease.id',
  leaseFencingToken: 'madakv.lease.fencing_token',
  leaseBytes: 'madakv.lease.bytes',
  leaseGrantedBytes: 'madakv.lease.granted_bytes',
  leaseCacheRatio: 'madakv.lease.cache_ratio',
  /** granted, full, impossible, refused, held or released; error where there was no answer. */
  leaseOutcome: 'madakv.lease.outcome',
  /** Why a lease was not granted, grown or touched: the reasons of budget.proto. */
  leaseReason: 'madakv.lease.reason',
  /** acquire, renew, resize or release. */
  leaseOperation: 'madakv.lease.operation',

  /** resident, heap, buffers, kv, features, pages or raster. */
  memoryKind: 'madakv.memory.kind',
} as const;
export type AttributeId = keyof typeof ATTRIBUTES;

/** Values of gen_ai.operation.name and gen_ai.provider.name, on the GenAI span and metrics. */
export const GEN_AI = { operation: 'chat', provider: 'madakv' } as const;

interface SpanEntry {
  /** What stands in braces is filled in when the span starts. */
  readonly name: string;
  readonly kind: 'server' | 'producer' | 'internal';
  readonly process: string;
  readonly about: string;
}

/** Every span of the system, in the order in which a request meets them. BullMQ's own stand between the processes. */
export const SPANS = {
  http: {
    name: '{method and route}',
    kind: 'server',
    process: 'gateway',
    about: 'A request over HTTP, such as `POST /v1/chat/completions`; until its last byte where it streams.',
  },
  expand: {
    name: 'expand',
    kind: 'internal',
    process: 'worker, batch',
    about: 'Adds one window of lines of a batch as jobs.',
  },
  line: {
    name: 'line',
    kind: 'producer',
    process: 'worker, batch',
    about: 'Root of the trace of one line of a batch, linked to its `expand`; so that no trace has 50,000 lines.',
  },
  queue: {
    name: 'queue {kind}',
    kind: 'internal',
    process: 'worker',
    about: 'From when a job could run to when a worker took it.',
  },
  prepare: {
    name: 'prepare {model}',
    kind: 'internal',
    process: 'worker, prepare',
    about: 'Makes the prompt of a request: pages, tokens.',
  },
  fetch: { name: 'fetch', kind: 'internal', process: 'worker, prepare', about: 'Reads documents from URLs and files.' },
  rasterise: { name: 'rasterise', kind: 'internal', process: 'worker, prepare', about: 'Draws pages as images.' },
  tokenise: { name: 'tokenise', kind: 'internal', process: 'worker, prepare', about: 'Counts the prompt.' },
  lease: {
    name: 'lease',
    kind: 'internal',
    process: 'worker, generate',
    about: 'From the first asking for cache memory to the grant.',
  },
  rpc: {
    name: '{service and method}',
    kind: 'server',
    process: 'budget',
    about: 'A call of the memory-budget service on behalf of a request; heartbeats have none.',
  },
  chat: {
    name: 'chat {model}',
    kind: 'internal',
    process: 'worker, generate',
    about: "The engine's work on a request: the inference span of the GenAI conventions.",
  },
  vision: {
    name: 'vision',
    kind: 'internal',
    process: 'worker, generate',
    about: 'Encodes the pages that the worker does not know yet.',
  },
  prefill: {
    name: 'prefill',
    kind: 'internal',
    process: 'worker, generate',
    about: 'The prompt through all layers, with a `madakv.layer` event a layer.',
  },
  evict: {
    name: 'evict',
    kind: 'internal',
    process: 'worker, generate',
    about: 'Scores the cache and brings it down to what the lease grants.',
  },
  decode: {
    name: 'decode',
    kind: 'internal',
    process: 'worker, generate',
    about: 'From the first token of the answer to the last.',
  },
  finalize: {
    name: 'finalize',
    kind: 'internal',
    process: 'worker, batch or generate',
    about: 'Commits the outcome of a request, or writes the files of a batch.',
  },
} as const satisfies Record<string, SpanEntry>;
export type SpanId = keyof typeof SPANS;

/** Events in spans. */
export const SPAN_EVENTS = {
  layer: {
    name: 'madakv.layer',
    span: 'prefill',
    about: 'The prompt is through a layer, and that is evicted down to its share.',
  },
  firstToken: { name: 'madakv.first_token', span: 'chat', about: 'The first token of the answer is there.' },
} as const satisfies Record<string, { readonly name: string; readonly span: SpanId; readonly about: string }>;
export type SpanEventId = keyof typeof SPAN_EVENTS;

interface MetricEntry {
  readonly name: string;
  readonly kind: 'histogram' | 'counter' | 'gauge';
  /** UCUM. */
  readonly unit: string;
  readonly about: string;
  readonly attributes: readonly AttributeId[];
  /** Advised upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92] as const;
const WAIT_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400] as const;
/** 1 MiB to 64 GiB. */
const CACHE_BYTES = [20, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36].map((power) => 2 ** power);
const RATIOS = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1] as const;

/** Metric instruments. Buckets of gen_ai.* are those that the conventions ask for. */
export const METRICS = {
  requestDuration: {
    name: 'gen_ai.server.request.duration',
    kind: 'histogram',
    unit: 's',
    about: 'From acceptance of a request to its outcome.',
    attributes: ['operation', 'provider', 'model', 'errorType'],
    buckets: SECONDS,
  },
  timeToFirstToken: {
    name: 'gen_ai.server.time_to_first_token',
    kind: 'histogram',
    unit: 's',
    about: 'From submission to the engine to the first token, for requests that were answered.',
    attributes: ['operation', 'provider', 'model'],
    buckets: [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  },
  timePerOutputToken: {
    name: 'gen_ai.server.time_per_output_token',
    kind: 'histogram',
    unit: 's',
    about: 'Time a token after the first one, for requests that were answered.',
    attributes: ['operation', 'provider', 'model'],
    buckets: [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5],
  },
  cacheFull: {
    name: 'madakv.cache.full',
    kind: 'histogram',
    unit: 'By',
    about: "Cache of a request's whole prompt, had nothing been evicted.",
    attributes: ['model', 'policy'],
    buckets: CACHE_BYTES,
  },
  cachePeak: {
    name: 'madakv.cache.peak',
    kind: 'histogram',
    unit: 'By',
    about: 'The most cache that a request had allocated at a time.',
    attributes: ['model', 'policy'],
    buckets: CACHE_BYTES,
  },
  cacheKept: {
    name: 'madakv.cache.kept',
    kind: 'histogram',
    unit: 'By',
    about: 'Cache that a request had allocated after eviction.',
    attributes: ['model', 'policy'],
    buckets: CACHE_BYTES,
  },
  cacheRatio: {
    name: 'madakv.cache.ratio',
    kind: 'histogram',
    unit: '1',
    about: 'Share of the whole cache that was granted to a request.',
    attributes: ['model', 'policy'],
    buckets: RATIOS,
  },
  queueWait: {
    name: 'madakv.queue.wait',
    kind: 'histogram',
    unit: 's',
    about: 'From when a job could run to when a worker took it.',
    attributes: ['queueKind', 'model'],
    buckets: WAIT_SECONDS,
  },
  leaseWait: {
    name: 'madakv.lease.wait',
    kind: 'histogram',
    unit: 's',
    about: 'From the first asking for cache memory to the grant.',
    attributes: ['model'],
    buckets: WAIT_SECONDS,
  },
  leaseOperationDuration: {
    name: 'madakv.lease.operation.duration',
    kind: 'histogram',
    unit: 's',
    about: 'How long an operation on a lease took in the service.',
    attributes: ['leaseOperation', 'leaseOutcome'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  },
  leasesExpired: {
    name: 'madakv.lease.expired',
    kind: 'counter',
    unit: '{lease}',
    about: 'Leases that nobody renewed in time.',
    attributes: [],
  },
  leaseCacheRatio: {
    name: 'madakv.lease.cache_ratio',
    kind: 'histogram',
    unit: '1',
    about: "Granted bytes over the whole prompt's, a grant.",
    attributes: [],
    buckets: RATIOS,
  },
  deviceCapacity: {
    name: 'madakv.device.capacity',
    kind: 'gauge',
    unit: 'By',
    about: 'Bytes that leases on a device may hold.',
    attributes: ['deviceId'],
  },
  deviceHeld: {
    name: 'madakv.device.held',
    kind: 'gauge',
    unit: 'By',
    about: 'Bytes that leases on a device hold.',
    attributes: ['deviceId'],
  },
  deviceLeases: {
    name: 'madakv.device.leases',
    kind: 'gauge',
    unit: '{lease}',
    about: 'Leases on a device.',
    attributes: ['deviceId'],
  },
  deviceWaiting: {
    name: 'madakv.device.waiting',
    kind: 'gauge',
    unit: '{job}',
    about: 'Jobs that were told to come back to a device.',
    attributes: ['deviceId'],
  },
  workerMemory: {
    name: 'madakv.worker.memory',
    kind: 'gauge',
    unit: 'By',
    about: 'Memory of a worker by what holds it: docs/operations.md.',
    attributes: ['memoryKind'],
  },
  demandQueued: {
    name: 'madakv.demand.queued',
    kind: 'gauge',
    unit: 'By',
    about: 'Cache that queued jobs will ask for.',
    attributes: [],
  },
  demandWantedDevices: {
    name: 'madakv.demand.wanted_devices',
    kind: 'gauge',
    unit: '{device}',
    about: 'Devices that queued and running jobs would fill.',
    attributes: [],
  },
  eventLoopDelayP50: {
    name: 'nodejs.eventloop.delay.p50',
    kind: 'gauge',
    unit: 's',
    about: "By how much a process's event loop was late since the last reading: the median of samples.",
    attributes: [],
  },
  eventLoopDelayP99: {
    name: 'nodejs.eventloop.delay.p99',
    kind: 'gauge',
    unit: 's',
    about: 'The same, 99 samples of 100 were not later.',
    attributes: [],
  },
  eventLoopDelayMax: {
    name: 'nodejs.eventloop.delay.max',
    kind: 'gauge',
    unit: 's',
    about: 'The same, the latest sample.',
    attributes: [],
  },
} as const satisfies Record<string, MetricEntry>;
export type MetricId = keyof typeof METRICS;
