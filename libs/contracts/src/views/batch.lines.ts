import { z } from 'zod';
import { BatchResultSchema } from '../openai/batches.js';

const count = z.int().min(0);

/** `unknown`: of a batch that has ended, where no file tells of the line (any more). */
export const LineStatusSchema = z.enum(['waiting', 'completed', 'failed', 'unknown']);

/** One line of a batch, as far as it is known now. */
export const BatchLineObjectSchema = z.object({
  line: z.int().min(1).meta({ description: 'Counted from 1 in the input file; blank lines count.' }),
  custom_id: z.string().nullable(),
  request_id: z.string(),
  status: LineStatusSchema,
  error_code: z.string().nullable(),
  prompt_tokens: count.nullable(),
  completion_tokens: count.nullable(),
  answered_by: z
    .string()
    .nullable()
    .meta({ description: 'Of a line that failed: the ended retry that answered it, under the same number.' }),
});

/** A page of lines, by their number. */
export const BatchLinePageSchema = z.object({
  object: z.literal('list'),
  data: z.array(BatchLineObjectSchema),
  total: count.meta({ description: 'Lines that fit the filter, on all pages.' }),
  offset: count,
  counts: z.record(LineStatusSchema, count).meta({ description: 'Of the whole batch, without the filter.' }),
});

/** Failed lines of one kind. */
export const ErrorGroupSchema = z.object({
  code: z.string(),
  count,
  retryable: z.boolean().meta({ description: 'Whether the same request may succeed later.' }),
  message: z.string().meta({ description: 'Of the first of them.' }),
  advice: z.string().meta({ description: 'What to do about it.' }),
  lines: z.array(z.int()).meta({ description: 'The first lines that failed so.' }),
});
export const ErrorGroupListSchema = z.object({ object: z.literal('list'), data: z.array(ErrorGroupSchema) });

/** A line's request as it was sent, and what became of it. */
export const BatchLineDetailSchema = BatchLineObjectSchema.extend({
  result: BatchResultSchema.nullable(),
});

export type LineStatus = z.infer<typeof LineStatusSchema>;
export type BatchLineObject = z.infer<typeof BatchLineObjectSchema>;
export type BatchLinePage = z.infer<typeof BatchLinePageSchema>;
export type ErrorGroup = z.infer<typeof ErrorGroupSchema>;
export type BatchLineDetail = z.infer<typeof BatchLineDetailSchema>;
