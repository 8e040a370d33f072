import { z } from 'zod';
import { MetadataSchema } from './batches.js';
import { CacheSummarySchema } from './chat.completion.js';

const OutputTextSchema = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(z.never()),
});
const OutputMessageSchema = z.object({
  id: z.string(),
  type: z.literal('message'),
  role: z.literal('assistant'),
  status: z.enum(['in_progress', 'completed', 'incomplete']),
  content: z.array(OutputTextSchema),
});

/** OpenAI's response object. Times are seconds since 1970. */
export const ResponseObjectSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['in_progress', 'completed', 'incomplete']),
  background: z.literal(false),
  error: z.null(),
  incomplete_details: z.object({ reason: z.literal('max_output_tokens') }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  metadata: MetadataSchema,
  model: z.string(),
  output: z.array(OutputMessageSchema),
  parallel_tool_calls: z.literal(false),
  previous_response_id: z.null(),
  store: z.literal(false),
  temperature: z.number().nullable(),
  text: z.object({ format: z.unknown() }),
  tool_choice: z.literal('none'),
  tools: z.array(z.never()),
  top_p: z.number().nullable(),
  truncation: z.literal('disabled'),
  usage: z
    .object({
      input_tokens: z.int(),
      input_tokens_details: z.object({ cached_tokens: z.int() }),
      output_tokens: z.int(),
      output_tokens_details: z.object({ reasoning_tokens: z.int() }),
      total_tokens: z.int(),
    })
    .nullable(),
  madakv: CacheSummarySchema.optional(),
});

/** One event of a streamed response: its type says what else stands in it. */
export const ResponseEventSchema = z.looseObject({ type: z.string(), sequence_number: z.int() });

export type OutputMessage = z.infer<typeof OutputMessageSchema>;
export type ResponseObject = z.infer<typeof ResponseObjectSchema>;
export type ResponseEvent = z.infer<typeof ResponseEventSchema>;
