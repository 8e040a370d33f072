import { z } from 'zod';

/**
 * The one catalogue of queues and their jobs.
 *
 *   batch     one job a batch. Steps: validate the input file, add its lines window by window (each a generate job with a
 *             prepare job as child, both children of the batch job), wait for them, write output and error file
 *   prepare   CPU: fetch, rasterise, tokenise; writes a PreparedRequest
 *   generate  GPU: lease, vision, prefill, evict, decode; writes the answer and the trace
 *
 * Lines of a batch that ask about one document are one prepare and one generate job together, a GroupJob.
 *
 * prepare and generate have a queue a model, so that workers of a model scale by its own queue.
 *
 * Beside them stands `webhook`, whose jobs the batch role takes as well: one a delivery, tried until it has arrived or is given up.
 */
export const QUEUE_KINDS = ['batch', 'prepare', 'generate'] as const;
export type QueueKind = (typeof QUEUE_KINDS)[number];

/** Braces keep all keys in one slot of a Redis cluster, as flows across queues need. */
export const DEFAULT_KEY_PREFIX = '{madakv}';

/** Name of a model in requests, queues and keys. */
export const ModelIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected 1 to 64 letters, digits, or . _ -');

export const BATCH_QUEUE = 'batch';

/** `prepare.madakv-reader` */
export function modelQueue(kind: 'prepare' | 'generate', model: string): string {
  return `${kind}.${model}`;
}

/** Batch jobs: the batch's id is the job's id. */
export const BatchJobSchema = z.object({ batchId: z.string(), tenant: z.string() });

export const WEBHOOK_QUEUE = 'webhook';

/** What a delivery's job is called by; the rest stands in its record. */
export const WebhookJobSchema = z.object({ deliveryId: z.string(), round: z.int().min(0) });

/** Where the body of a request lies. */
export const BodySourceSchema = z.discriminatedUnion('kind', [
  /** A line of a batch: bytes of its input file. */
  z.object({
    kind: z.literal('line'),
    batchId: z.string(),
    /** Counted from 1. */
    line: z.int().min(1),
    fileKey: z.string(),
    start: z.int().min(0),
    length: z.int().min(1),
  }),
  /** A chat completion: a file of its own. */
  z.object({ kind: z.literal('body'), fileKey: z.string() }),
]);

/** An attempt at a job that came to nothing and was made again. Times are milliseconds since 1970. */
export const PastAttemptSchema = z.object({
  /** In which of its two jobs it was; absent where it was in the one that notes it. One that leaves its group gets both anew, and tells each. */
  stage: z.enum(['prepare', 'generate']).optional(),
  worker: z.string(),
  fromMs: z.int(),
  untilMs: z.int(),
  /** Code of the error that ended it. */
  code: z.string(),
  /** How often that happened in a row. */
  times: z.int().min(1),
});

/** Data of prepare and generate jobs alike. Documents never stand in it. The job's id is the request's id. */
export const RequestJobSchema = z.object({
  requestId: z.string(),
  tenant: z.string(),
  model: ModelIdSchema,
  source: BodySourceSchema,
  /** Milliseconds since 1970: when the gateway accepted it. */
  acceptedAtMs: z.int(),
  /** Nothing is generated after this, in milliseconds since 1970. */
  expiresAtMs: z.int().optional(),
  /** Virtual start time among tenants (fair.shares); batch lines only. Also the job's priority in BullMQ. */
  fairTag: z.int().min(1).optional(),
  /** What is reserved for it of its tenant's tokens; in a batch its share of what is reserved for all lines. */
  reservedTokens: z.int().min(0).optional(),
  /** Since when it waits for cache memory, in milliseconds since 1970; noted by the worker that was told to wait. */
  roomSinceMs: z.int().optional(),
  /** Since when it waits for a worker that holds its document, in milliseconds since 1970. */
  holderSinceMs: z.int().optional(),
  /** What was tried before, for the trace; the first and the latest of many. */
  past: z.array(PastAttemptSchema).optional(),
  /** W3C traceparent of the trace that it is in, where its job is not its own. */
  traceparent: z.string().optional(),
});

/** The most requests that one job holds, and that are prefilled together. */
export const MAX_GROUP = 64;

/**
 * Data of a prepare and of a generate job for lines of one batch that ask about the same document: they are read together.
 * Everything else is each line's own: its outcome, trace, cancellation. One that has to be tried again goes on in jobs of its own.
 */
export const GroupJobSchema = z.object({
  /** The job's id. */
  groupId: z.string(),
  tenant: z.string(),
  model: ModelIdSchema,
  batchId: z.string(),
  members: z.array(RequestJobSchema).min(1).max(MAX_GROUP),
  /** As a request's. */
  roomSinceMs: z.int().optional(),
  holderSinceMs: z.int().optional(),
});

/** What stands in the queues of a model. */
export type ModelJob = RequestJob | GroupJob;

export function isGroupJob(job: ModelJob): job is GroupJob {
  return 'members' in job;
}

/** Requests that a job is for. */
export function requestsOf(job: ModelJob): readonly RequestJob[] {
  return isGroupJob(job) ? job.members : [job];
}

/** What prepare and generate return: everything else is in the FileStore. */
export const RequestJobResultSchema = z.object({
  /** `settled`: an answer or an error for this request is committed; there is nothing left to do. */
  state: z.enum(['prepared', 'settled']),
});

/** BullMQ runs jobs without a priority first; then 1, 2, ... to this. */
export const MAX_PRIORITY = 2 ** 21 - 1;

/** Attempts of prepare and generate jobs at errors that may pass, and the first pause between them (it doubles). */
export const ATTEMPTS = { count: 5, backoffMs: 1_000 } as const;
/** Workers that may die over one job before it fails for good. */
export const MAX_STALLED = 2;

export type BatchJob = z.infer<typeof BatchJobSchema>;
export type WebhookJob = z.infer<typeof WebhookJobSchema>;
export type BodySource = z.infer<typeof BodySourceSchema>;
export type PastAttempt = z.infer<typeof PastAttemptSchema>;
export type RequestJob = z.infer<typeof RequestJobSchema>;
export type GroupJob = z.infer<typeof GroupJobSchema>;
export type RequestJobResult = z.infer<typeof RequestJobResultSchema>;
