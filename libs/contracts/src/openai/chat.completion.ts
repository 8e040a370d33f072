import { z } from 'zod';

const count = z.int().min(0);

const LogprobSchema = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()).nullable() });
export const TokenLogprobSchema = LogprobSchema.extend({ top_logprobs: z.array(LogprobSchema) });

export const UsageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z
    .object({ cached_tokens: count.meta({ description: 'Prompt tokens that another request’s prefill served.' }) })
    .optional(),
});

/** Something that the answer does not rest on, although the request has it. Messages hold no text of documents. */
export const WarningSchema = z.object({
  code: z.string().meta({ description: 'Such as text_not_drawn; docs/documents.md has all.' }),
  message: z.string(),
  param: z.string().meta({ description: 'Key of the part of the request, such as messages.0.content.1.file.' }),
});

export const FinishReasonSchema = z.enum(['stop', 'length']);

/** One field of an extraction: what was answered to its question, and what became of the answer. */
export const ExtractedFieldSchema = z.object({
  name: z.string().meta({ description: 'Its path in the object, with dots.' }),
  answer: z.string().meta({ description: 'As the model gave it.' }),
  value: z.unknown().meta({ description: 'As it stands in the object; null where there is none.' }),
  problems: z
    .array(
      z.object({
        name: z.string().meta({ description: 'The field; in a list or table the entry, such as items[2].amount.' }),
        answer: z.string().meta({ description: 'What stands there.' }),
        message: z.string(),
      }),
    )
    .meta({ description: 'What does not fit the schema, or is required and not stated.' }),
  finish_reason: FinishReasonSchema,
  completion_tokens: count,
  bytes: z.object({ full: count, kept: count }).meta({ description: 'Cache of this question.' }),
  trace_id: z.string().meta({ description: 'Id of its trace for GET /v1/requests/{id}/trace.' }),
});

/** What the cache reduction did to a request, in a few numbers; the trace document has all of it. Bytes are allocated ones. */
export const CacheSummarySchema = z.object({
  trace_id: z.string().meta({ description: 'Id for GET /v1/requests/{id}/trace.' }),
  policy: z.string(),
  cache_ratio: z.number().meta({ description: 'Share of the cache that was granted.' }),
  requested_cache_ratio: z.number(),
  prompt_tokens: z.record(z.string(), count).meta({ description: 'Prompt tokens by modality.' }),
  bytes: z.object({ full: count, peak: count, kept: count }),
  /** Answers of earlier versions have none. */
  warnings: z
    .array(WarningSchema)
    .default([])
    .meta({ description: 'What of the documents was not read; empty when all was.' }),
  fields: z
    .array(ExtractedFieldSchema)
    .optional()
    .meta({ description: 'With madakv.extract: every field that was asked for, in the order of the schema.' }),
});

export const ChatCompletionSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.literal(0),
      message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
      logprobs: z.object({ content: z.array(TokenLogprobSchema), refusal: z.null() }).nullable(),
      finish_reason: FinishReasonSchema,
    }),
  ),
  usage: UsageSchema,
  system_fingerprint: z.string().optional(),
  madakv: CacheSummarySchema,
});

/** One event of a streamed completion. The last one before `[DONE]` carries usage where it was asked for. */
export const ChatCompletionChunkSchema = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.literal(0),
      delta: z.object({ role: z.literal('assistant').optional(), content: z.string().optional() }),
      logprobs: z.object({ content: z.array(TokenLogprobSchema), refusal: z.null() }).nullable(),
      finish_reason: FinishReasonSchema.nullable(),
    }),
  ),
  usage: UsageSchema.nullish(),
  madakv: CacheSummarySchema.optional(),
});

export type TokenLogprob = z.infer<typeof TokenLogprobSchema>;
export type Usage = z.infer<typeof UsageSchema>;
export type Warning = z.infer<typeof WarningSchema>;
export type ExtractedFieldObject = z.infer<typeof ExtractedFieldSchema>;
export type CacheSummary = z.infer<typeof CacheSummarySchema>;
export type FinishReason = z.infer<typeof FinishReasonSchema>;
export type ChatCompletion = z.infer<typeof ChatCompletionSchema>;
export type ChatCompletionChunk = z.infer<typeof ChatCompletionChunkSchema>;
