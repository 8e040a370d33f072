import { z } from 'zod';
import { ExpiresAfterSchema } from './files.js';
import { namesKnownKeys } from './schema.issues.js';

export const BATCH_ENDPOINT = '/v1/chat/completions';
/** Requests of one input file. */
export const MAX_BATCH_LINES = 50_000;
/** Bytes of one input file that comes in one request; in parts it may have more. */
export const MAX_BATCH_BYTES = 200 * 1024 ** 2;
/** Line errors that a failed validation lists, at most. */
export const MAX_LISTED_ERRORS = 100;

export const BatchStatusSchema = z.enum([
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
]);

export const MetadataSchema = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'expected at most 16 pairs');

const createBatch = {
  input_file_id: z.string().max(128),
  endpoint: z.literal(BATCH_ENDPOINT),
  completion_window: z.literal('24h'),
  metadata: MetadataSchema.nullish(),
  output_expires_after: ExpiresAfterSchema.nullish().meta({
    description: 'When output and error file expire: so long after they were created.',
  }),
};
export const CreateBatchSchema = z.strictObject(createBatch, { error: namesKnownKeys(() => Object.keys(createBatch)) });

export const BatchErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  line: z.int().nullable(),
  param: z.string().nullable(),
});

/** Tokens of a batch's answers. OpenAI names them otherwise here than in a chat completion. */
export const BatchUsageSchema = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

const time = z.int().optional();

/** How a batch gets on. Times are seconds since 1970. */
export const BatchFiguresSchema = z.object({
  full_bytes: z.int().meta({
    description: 'Caches of all answers, had nothing been evicted; 0 where it is not known, as after 31 days.',
  }),
  kept_bytes: z.int().meta({ description: 'What was kept of them.' }),
  phases: z
    .array(
      z.object({
        name: z.enum(['validating', 'in_progress', 'cancelling', 'finalizing']),
        started_at: z.int(),
        ended_at: z.int().nullable(),
      }),
    )
    .optional()
    .meta({ description: 'What it went through, and goes through now: the one without an end.' }),
  lines_per_minute: z
    .number()
    .nullish()
    .meta({ description: 'Lines that ended a minute while it ran; null before the first.' }),
  eta_at: z
    .int()
    .nullish()
    .meta({ description: 'When all lines will have ended at this pace; null where nobody knows.' }),
});

/** OpenAI's batch object. Times are seconds since 1970. */
export const BatchObjectSchema = z.object({
  id: z.string(),
  object: z.literal('batch'),
  endpoint: z.string(),
  model: z.string().optional(),
  errors: z.object({ object: z.literal('list'), data: z.array(BatchErrorSchema) }).optional(),
  input_file_id: z.string(),
  completion_window: z.literal('24h'),
  status: BatchStatusSchema,
  output_file_id: z.string().optional(),
  error_file_id: z.string().optional(),
  created_at: z.int(),
  in_progress_at: time,
  expires_at: time,
  finalizing_at: time,
  completed_at: time,
  failed_at: time,
  expired_at: time,
  cancelling_at: time,
  cancelled_at: time,
  request_counts: z.object({ total: z.int(), completed: z.int(), failed: z.int() }),
  usage: BatchUsageSchema.optional(),
  metadata: MetadataSchema.nullable(),
  madakv: BatchFiguresSchema.optional().meta({ description: 'What OpenAI does not say of a batch.' }),
});

const batchLine = {
  custom_id: z.string().min(1).max(512),
  method: z.literal('POST'),
  url: z.literal(BATCH_ENDPOINT),
  body: z.record(z.string(), z.unknown()),
};
/** One line of an input file; its body is checked by the schema of the endpoint. */
export const BatchLineSchema = z.strictObject(batchLine, { error: namesKnownKeys(() => Object.keys(batchLine)) });

/** One line of an output or error file. */
export const BatchResultSchema = z.object({
  id: z.string(),
  custom_id: z.string().nullable(),
  response: z
    .object({ status_code: z.int(), request_id: z.string(), body: z.record(z.string(), z.unknown()) })
    .nullable(),
  error: z.object({ code: z.string(), message: z.string(), line: z.int().optional() }).nullable(),
  madakv: z
    .object({ answered_by: z.string() })
    .optional()
    .meta({ description: 'In joined results: the retry that answered the line. Never in an output or error file.' }),
});

export type BatchStatus = z.infer<typeof BatchStatusSchema>;
export type CreateBatch = z.infer<typeof CreateBatchSchema>;
export type BatchError = z.infer<typeof BatchErrorSchema>;
export type BatchUsage = z.infer<typeof BatchUsageSchema>;
export type BatchFigures = z.infer<typeof BatchFiguresSchema>;
export type BatchObject = z.infer<typeof BatchObjectSchema>;
export type BatchLine = z.infer<typeof BatchLineSchema>;
export type BatchResult = z.infer<typeof BatchResultSchema>;

export function batchUsage(inputTokens: number, cachedTokens: number, outputTokens: number): BatchUsage {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: inputTokens + outputTokens,
  };
}
