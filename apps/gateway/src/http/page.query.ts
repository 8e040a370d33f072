import { BatchStatusSchema, FilePurposeSchema } from '@madakv/contracts';
import type { PageQuery, RecordPage } from '@madakv/records';
import { z } from 'zod';

/** Of a query string: a whole number from 1 on. */
export const wholeNumber = (most: number, fallback: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,6}$/, `expected a whole number from 1 to ${most}`)
    .transform(Number)
    .refine((value) => value >= 1 && value <= most, `expected a whole number from 1 to ${most}`)
    .default(fallback)
    .meta({ description: `A whole number from 1 to ${most}; ${fallback} by default.` });
const after = z.string().max(128).optional().meta({ description: 'Id of the last object of the page before.' });

export const BatchPageSchema = z.object({ limit: wholeNumber(100, 20), after });
const seconds = (description: string): z.ZodType<number | undefined> =>
  z
    .string()
    .regex(/^\d{1,12}$/, 'expected seconds since 1970')
    .transform(Number)
    .optional()
    .meta({ description: `${description}, in seconds since 1970.` });
export const BatchListSchema = BatchPageSchema.extend({
  status: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(BatchStatusSchema))
    .optional()
    .meta({ description: 'Only batches of this status, or of these, separated by commas.' }),
  created_after: seconds('Only batches that were created then or later'),
  created_before: seconds('Only batches that were created earlier'),
});
export const FilePageSchema = z.object({
  limit: wholeNumber(10_000, 10_000),
  after,
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: FilePurposeSchema.optional(),
});
export type FilePage = z.output<typeof FilePageSchema>;
export type BatchList = z.output<typeof BatchListSchema>;
export type BatchPage = z.output<typeof BatchPageSchema>;

export interface ListBody<T> {
  readonly object: 'list';
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
}

/** OpenAI's body of a page. */
export function listBody<T extends { readonly id: string }>({
  data,
  hasMore,
}: RecordPage<{ readonly object: T }>): ListBody<T> {
  const objects = data.map(({ object }) => object);
  return {
    object: 'list',
    data: objects,
    has_more: hasMore,
    first_id: objects.at(0)?.id ?? null,
    last_id: objects.at(-1)?.id ?? null,
  };
}

/** A page as the records want it: what is not given is left out. */
export function pageQuery({
  after,
  ...rest
}: {
  readonly after?: string | undefined;
  readonly limit: number;
}): PageQuery {
  return { ...rest, ...(after === undefined || after === '' ? {} : { after }) };
}
