import { z } from 'zod';
import { TraceDocumentSchema } from '../records/trace.document.js';

const count = z.int().min(0);
const bytes = z.int().min(0);

/** How many (layer, head) pairs kept each token of the prompt. */
export const HeatSchema = z.object({
  layer: z.int().nullable().meta({ description: 'The one that was asked for; null for all.' }),
  head: z.int().nullable(),
  pairs: count.meta({ description: 'Pairs of layer and head that were looked at: what 255 stands for.' }),
  tokens: count,
  kept: z
    .string()
    .meta({ description: 'Base64 of one byte a token: 0 nobody kept it, 255 all did, rounded up from 0.' }),
});

/** Where an image's tokens stand: row by row of its grid, `stride` tokens a row, from `start` on. */
const ImagePlaceSchema = z.object({
  index: count,
  part: z.string(),
  page: z.int().nullable(),
  width: z.int(),
  height: z.int(),
  start: z.int().nullable().meta({ description: 'First token of the grid; null in traces of earlier versions.' }),
  rows: count,
  columns: count,
  stride: count.meta({ description: 'Tokens a row: its columns, and one more where a token ends the line.' }),
  tokens: count.nullable().meta({ description: 'All of the image, those before its grid among them.' }),
  url: z.string().nullable().meta({ description: 'Of the image; it is there for as long as its document is kept.' }),
});

/** A trace gathered up for drawing. */
export const TraceViewSchema = z.object({
  object: z.literal('trace.view'),
  trace: TraceDocumentSchema.meta({ description: 'As /trace gives it, without the positions of its layers.' }),
  images: z.array(ImagePlaceSchema),
  heat: HeatSchema.nullable().meta({ description: 'Null for a request without an answer, or without layers.' }),
});

const ComparedSchema = z.object({
  id: z.string(),
  model: z.string(),
  policy: z.string(),
  ratio: z.number(),
  prompt_tokens: count,
  bytes: z.object({ full: bytes, peak: bytes, kept: bytes }),
  total_ms: z.number(),
});
const OverlapSchema = z.object({
  both: count,
  only_a: count,
  only_b: count,
  overlap: z
    .number()
    .min(0)
    .max(1)
    .meta({ description: 'Rows that both kept over rows that either kept; 1 where none did.' }),
});

/** Two answered requests about the same prompt side by side. */
export const ComparisonSchema = z.object({
  object: z.literal('comparison'),
  a: ComparedSchema,
  b: ComparedSchema,
  comparable: z
    .boolean()
    .meta({ description: 'Whether model and prompt have the same shape, so that rows can be compared.' }),
  rows: OverlapSchema.nullable(),
  layers: z.array(OverlapSchema.extend({ layer: z.int() })),
});

export type Heat = z.infer<typeof HeatSchema>;
export type TraceView = z.infer<typeof TraceViewSchema>;
export type ImagePlace = z.infer<typeof ImagePlaceSchema>;
export type Comparison = z.infer<typeof ComparisonSchema>;
