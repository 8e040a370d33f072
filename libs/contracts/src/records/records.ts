import { z } from 'zod';
import { BatchObjectSchema } from '../openai/batches.js';
import { UsageSchema, WarningSchema } from '../openai/chat.completion.js';
import { FileObjectSchema } from '../openai/files.js';
import { UploadObjectSchema } from '../openai/uploads.js';
import { ModelIdSchema, PastAttemptSchema } from '../jobs/queue.catalogue.js';

/** A stored file: OpenAI's object, whose it is, and where its content lies. */
export const FileRecordSchema = z.object({
  tenant: z.string(),
  key: z.string(),
  sha256: z.string(),
  object: FileObjectSchema,
});

/** An upload in parts: OpenAI's object and whose it is. */
export const UploadRecordSchema = z.object({
  tenant: z.string(),
  object: UploadObjectSchema,
  /** The file expires so many seconds after it was created; absent: never. */
  fileExpirySeconds: z.int().optional(),
  /** What it is being, or was, completed of: whoever says something else is too late. */
  completion: z.object({ partIds: z.array(z.string()), md5: z.string().nullable() }).optional(),
});

/** How many tokens a tenant may use in a day (UTC), and have in requests that were accepted and have not ended. Null: any number. */
export const TokenLimitsSchema = z.object({
  tokensPerDay: z.int().min(0).nullable(),
  queuedTokens: z.int().min(0).nullable(),
});

/** A batch: OpenAI's object, whose it is, and how far its expansion has come. */
export const BatchRecordSchema = z.object({
  tenant: z.string(),
  inputKey: z.string(),
  object: BatchObjectSchema,
  /** What its tenant's tokens were limited to when it was created; null: not at all. Absent in records of earlier versions. */
  limits: TokenLimitsSchema.optional(),
  /** Output and error file expire so many seconds after they were created; absent: never. */
  outputExpirySeconds: z.int().optional(),
  /** Next byte and line (from 1) of the input file whose lines have not been put in order. */
  cursor: z.object({ byte: z.int(), line: z.int() }),
  /**
   * Where the lines stand in the order in which they are run; absent before it is made. `window` is the byte at which the lines
   * begin that were put into the queues last, `byte` the one after them.
   */
  order: z.object({ key: z.string(), window: z.int(), byte: z.int() }).optional(),
  /** Why an end is under way that is not completion. */
  ending: z.enum(['cancelled', 'expired']).nullable(),
  /** Batches that asked its failed lines again, in order: each what had failed of the one before. Only of one that is none of them. */
  retries: z.array(z.string()).optional(),
  /** Of such a batch: the one whose `retries` name it. Their lines have the same numbers. */
  retryOf: z.string().optional(),
});

/** How a request ended. It is written once; a second attempt finds it and returns. */
export const OutcomeSchema = z.object({
  state: z.enum(['completed', 'failed']),
  /** FileStore key of the RequestAnswer. */
  key: z.string(),
  usage: UsageSchema.optional(),
});

/** A line of a batch that cannot be run. It never was a job and has no files. */
export const LineRefusalSchema = z.object({
  state: z.literal('refused'),
  /** Null where the line does not say it. */
  customId: z.string().nullable(),
  /** What is wrong with the line itself; null where its request is answered by `answer`. */
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  answer: z.object({ status: z.int(), body: z.record(z.string(), z.unknown()) }).nullable(),
});

export const LineOutcomeSchema = z.discriminatedUnion('state', [OutcomeSchema, LineRefusalSchema]);

/** An answer as it is sent: a ChatCompletion with 200, or an ErrorBody with another status. */
export const RequestAnswerSchema = z.object({
  requestId: z.string(),
  customId: z.string().nullable(),
  status: z.int(),
  body: z.record(z.string(), z.unknown()),
});

/** A page or image of a request, in the order of the prompt. */
export const PreparedImageRefSchema = z.object({
  /** FileStore key of an encoded image; the same for every request about the same page. */
  key: z.string(),
  width: z.int(),
  height: z.int(),
  /** Which part of the request it came from, and the page (from 1) of a PDF. */
  part: z.string(),
  page: z.int().nullable(),
});

/** What the engine is asked: messages whose documents have become images, and what that needs. */
export const PreparedQuestionSchema = z.object({
  /** The request without its messages' documents: text parts and `{type: 'image', index}` parts. */
  messages: z.array(
    z.object({
      role: z.string(),
      content: z.array(
        z.discriminatedUnion('type', [
          z.object({ type: z.literal('text'), text: z.string() }),
          z.object({ type: z.literal('image'), index: z.int() }),
        ]),
      ),
    }),
  ),
  /** Everything of the body but its messages. */
  parameters: z.record(z.string(), z.unknown()),
  promptTokens: z.record(z.string(), z.int()),
  /** Bytes of the whole prompt's cache over all layers. */
  fullBytes: z.int(),
  /** What planGeneration settled on: the share asked for, and the least that the grant may fall to. */
  cacheRatio: z.number().gt(0).max(1),
  minCacheRatio: z.number().gt(0).max(1),
  /** Names what the prompt begins with, the same for all questions about it; absent where that is little. */
  documentKey: z.string().optional(),
});

/** What prepare leaves for generate. */
export const PreparedRequestSchema = PreparedQuestionSchema.extend({
  requestId: z.string(),
  customId: z.string().nullable(),
  /** Of all its questions. */
  images: z.array(PreparedImageRefSchema),
  /** What of its documents is not among them. */
  warnings: z.array(WarningSchema).default([]),
  /** Of a request with `madakv.extract`: the question of the first field is the request's own, and these are the others'. */
  extraction: z.object({ schema: z.unknown(), others: z.array(PreparedQuestionSchema) }).optional(),
  /** Attempts at preparing it that came to nothing. */
  past: z.array(PastAttemptSchema).optional(),
  /** When the work on it began and ended, in milliseconds since 1970: several of one job are prepared one after the other. */
  at: z.object({ fromMs: z.int(), untilMs: z.int() }).optional(),
  ms: z.object({ queue: z.number(), fetch: z.number(), rasterise: z.number(), tokenise: z.number() }),
});

/** A model that workers serve. It stays known when they are scaled to zero. */
export const ModelRecordSchema = z.object({
  id: ModelIdSchema,
  family: z.string(),
  createdAt: z.int(),
  maxPositions: z.int(),
  /** Of the whole cache over all layers, in float32. */
  kvBytesPerToken: z.int(),
  /** Tokens of a page of A4. Absent where it takes no images, and in records of earlier versions. */
  pageTokens: z.int().min(1).optional(),
  /** How a worker that answers keeps the cache, as one last said; absent before any did. */
  kv: z.object({ precision: z.enum(['fp32', 'fp16', 'int8']), onDevice: z.boolean() }).optional(),
  seenAtMs: z.int(),
});

/** A worker, as it last said of itself. */
export const WorkerRecordSchema = z.object({
  id: z.string(),
  roles: z.array(z.string()),
  model: z.string().nullable(),
  state: z.string(),
  progress: z.object({ done: z.int(), total: z.int() }).nullable(),
  provider: z.string().nullable(),
  precision: z.string().nullable(),
  kvPrecision: z.string().nullable(),
  memoryBytes: z.int(),
  /** What leases on its device hold, and what its caches have allocated; null for one without a device. */
  device: z
    .object({
      id: z.string(),
      capacityBytes: z.int(),
      leasedBytes: z.int(),
      allocatedBytes: z.int(),
      leases: z.int(),
      waiting: z.int(),
    })
    .nullable(),
  seenAtMs: z.int(),
});

/** A request that has ended, in a few numbers. */
export const EndedRequestSchema = z.object({
  id: z.string(),
  tenant: z.string(),
  model: z.string(),
  batchId: z.string().nullable(),
  customId: z.string().nullable(),
  /** Null for one that was answered. */
  errorCode: z.string().nullable(),
  endedAtMs: z.int(),
  totalMs: z.number(),
  /** From acceptance to the first token, and the rest: null where it was not answered. */
  firstTokenMs: z.number().nullable(),
  grantedRatio: z.number().nullable(),
  fullBytes: z.int().nullable(),
  keptBytes: z.int().nullable(),
});

/** What a running request says, in order; kept in a list and announced, so that a reader who reconnects misses nothing. */
export const AnswerEventSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('prefill'), done: z.int(), total: z.int() }),
  /** A retried request repeats its tokens; readers skip indices they have seen. */
  z.object({
    kind: z.literal('token'),
    index: z.int(),
    text: z.string(),
    logprobs: z.unknown().optional(),
  }),
  /** The outcome is committed; the answer is in the FileStore. */
  z.object({ kind: z.literal('end') }),
]);

export type UploadRecord = z.infer<typeof UploadRecordSchema>;
export type FileRecord = z.infer<typeof FileRecordSchema>;
export type TokenLimits = z.infer<typeof TokenLimitsSchema>;
export type BatchRecord = z.infer<typeof BatchRecordSchema>;
export type Outcome = z.infer<typeof OutcomeSchema>;
export type LineRefusal = z.infer<typeof LineRefusalSchema>;
export type LineOutcome = z.infer<typeof LineOutcomeSchema>;
export type RequestAnswer = z.infer<typeof RequestAnswerSchema>;
export type PreparedImageRef = z.infer<typeof PreparedImageRefSchema>;
export type PreparedQuestion = z.infer<typeof PreparedQuestionSchema>;
export type PreparedRequest = z.infer<typeof PreparedRequestSchema>;
export type ModelRecord = z.infer<typeof ModelRecordSchema>;
export type WorkerRecord = z.infer<typeof WorkerRecordSchema>;
export type EndedRequest = z.infer<typeof EndedRequestSchema>;
export type AnswerEvent = z.infer<typeof AnswerEventSchema>;
