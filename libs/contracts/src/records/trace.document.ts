import { z } from 'zod';
import { WarningSchema } from '../openai/chat.completion.js';

const bytes = z.int().min(0);
const ms = z.number().min(0);

/** What one layer kept, and why. */
export const LayerTraceSchema = z.object({
  layer: z.int(),
  /** Rows a head the layer was meant to keep. */
  budget: z.number(),
  /** Rows a head that the attention asked for. */
  demand: z.number(),
  /** Rows a head that later layers pay for, or gain when negative. */
  compensation: z.number(),
  rows: z.int(),
  /** `[heads][modalities]` */
  kept: z.array(z.array(z.int())),
  preference: z.array(z.array(z.number())),
  /**
   * `[heads]` share of the attention of the queries that the policy observes, as a rule the question's, that falls on kept rows. Absent where it
   * observes none or all of them, and in traces of earlier versions.
   */
  attentionKept: z.array(z.number().min(0).max(1)).optional(),
  /** By head, base64 of one bit a prompt token, lowest bit first. */
  positions: z.array(z.string()),
});

/** One change of the lease: what it holds from then on. */
export const LeaseEventSchema = z.object({
  atMs: z.int(),
  event: z.enum(['waited', 'granted', 'resized', 'released', 'lost']),
  bytes: bytes,
  detail: z.string().optional(),
});

const ImageTraceSchema = z.object({
  part: z.string(),
  page: z.int().nullable(),
  width: z.int(),
  height: z.int(),
  tokens: z.int(),
  /**
   * Where its tokens stand: the first one of its grid, the grid, and the tokens a row of it, which may end with one that shows nothing. Absent in
   * traces of earlier versions.
   */
  place: z
    .object({ start: z.int().min(0), rows: z.int().min(0), columns: z.int().min(0), stride: z.int().min(0) })
    .optional(),
  /** Names the encoded image in the FileStore. Absent in traces of earlier versions, and in what the API gives. */
  key: z.string().optional(),
});

const LeaseTraceSchema = z.object({
  leaseId: z.string(),
  deviceId: z.string(),
  fencingToken: z.int(),
  /** Requests that hold it together. */
  requests: z.int().min(1).default(1),
  /** What eviction might keep for this one. */
  grantedBytes: bytes,
  events: z.array(LeaseEventSchema),
});

const TimesSchema = z.object({
  /** Waiting before prepare, prepare itself, waiting before generate, waiting for room. */
  queuePrepare: ms,
  prepare: ms,
  queueGenerate: ms,
  lease: ms,
  vision: ms,
  prefill: ms,
  observe: ms,
  evict: ms,
  /** From submission to the engine. */
  firstToken: ms,
  decode: ms,
  /** From acceptance to the answer. */
  total: ms,
});

/** An attempt at a request, or a time that it waited. Milliseconds since its acceptance. */
export const TimelineEntrySchema = z.object({
  kind: z.enum(['attempt', 'wait']),
  stage: z.enum(['prepare', 'generate']),
  /**
   * How an attempt ended: `prepared`, `answered`, the code of an error, or `worker_lost` where its process died with it. What was waited for: its
   * turn in the `queue`, being tried again (`retry`), the worker that holds its `document`, or `memory`.
   */
  what: z.string(),
  /** Whose attempt it was; null where that is not known, and of waits. */
  worker: z.string().nullable(),
  fromMs: ms,
  /** Null where nobody saw its end. */
  untilMs: ms.nullable(),
  /** Attempts in a row that ended alike. */
  times: z.int().min(1),
});

/** What every request has. */
const RequestTraceSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  tenant: z.string(),
  batchId: z.string().nullable(),
  customId: z.string().nullable(),
  model: z.string(),
  /** Seconds since 1970: when the gateway accepted it. */
  createdAt: z.int(),
  /** Trace id of OpenTelemetry, 32 hexadecimal digits. */
  otelTraceId: z.string().nullable(),
  /** The process that ended it. */
  worker: z.string(),
  attempt: z.int(),
  /** In the order in which they began; absent in traces of earlier versions. */
  timeline: z.array(TimelineEntrySchema).optional(),
  /** What of its documents was not read; traces of earlier versions have none. */
  warnings: z.array(WarningSchema).default([]),
});

/** A request that was answered. */
export const AnsweredTraceSchema = RequestTraceSchema.extend({
  error: z.null(),
  device: z.string(),
  images: z.array(ImageTraceSchema),
  cache: z.object({
    policy: z.string(),
    /** Asked for, and granted by the lease. */
    requestedRatio: z.number(),
    ratio: z.number(),
    protocol: z.string(),
    modalities: z.array(z.string()),
    promptTokens: z.array(z.int()),
    layers: z.array(LayerTraceSchema),
    /**
     * Requests that were read together, this one among them; tokens that all begin with; those not computed for this one. Further keys
     * are absent in traces of earlier versions: tokens whose rows lay in memory, and why no more was shared, see docs/api.md.
     */
    sharing: z
      .object({
        requests: z.int().min(1),
        sharedTokens: z.int(),
        cachedTokens: z.int(),
        residentTokens: z.int().optional(),
        reason: z.string().optional(),
        alikeTokens: z.int().optional(),
      })
      .default({ requests: 1, sharedTokens: 0, cachedTokens: 0 }),
    bytes: z.object({ full: bytes, peak: bytes, afterEviction: bytes, final: bytes }),
  }),
  lease: LeaseTraceSchema,
  usage: z.object({ promptTokens: z.int(), completionTokens: z.int() }),
  finishReason: z.string(),
  ms: TimesSchema,
});

/** A request that ended with an error. What it did not come to is null. */
export const FailedTraceSchema = RequestTraceSchema.extend({
  error: z.object({
    /** In which job it failed. */
    stage: z.enum(['prepare', 'generate']),
    code: z.string(),
    message: z.string(),
    /** Key of the request that is wrong. */
    param: z.string().nullable(),
    /** Finer code, of a document for instance. */
    reason: z.string().nullable(),
  }),
  /** Of the prompt, once it was prepared. */
  prompt: z
    .object({
      /** By modality. */
      tokens: z.record(z.string(), z.int()),
      /** Of its whole cache. */
      fullBytes: bytes,
      requestedRatio: z.number(),
    })
    .nullable(),
  /** Known once memory was granted. */
  device: z.string().nullable(),
  images: z.array(ImageTraceSchema.omit({ place: true }).extend({ tokens: z.null() })),
  cache: z.null(),
  lease: LeaseTraceSchema.nullable(),
  usage: z.null(),
  finishReason: z.null(),
  ms: z.record(TimesSchema.keyof(), ms.nullable()),
});

/**
 * Everything about one request that its user may want to know afterwards. No text of the document. Bytes are allocated ones.
 * Whether `error` is null tells the two kinds apart.
 */
export const TraceDocumentSchema = z.union([AnsweredTraceSchema, FailedTraceSchema]);

export type LayerTraceDocument = z.infer<typeof LayerTraceSchema>;
export type TimelineEntry = z.infer<typeof TimelineEntrySchema>;
export type LeaseEvent = z.infer<typeof LeaseEventSchema>;
export type AnsweredTrace = z.infer<typeof AnsweredTraceSchema>;
export type FailedTrace = z.infer<typeof FailedTraceSchema>;
export type TraceDocument = z.infer<typeof TraceDocumentSchema>;
