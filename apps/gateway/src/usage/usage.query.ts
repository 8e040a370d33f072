import { TenantSchema, USAGE_DAYS } from '@madakv/contracts';
import { dateOf, dayOf, dayOfDate } from '@madakv/records';
import { z } from 'zod';

/** The tenant that stands for all of them; no tenant is called so. */
export const ALL_TENANTS = '*';
/** Days that are told of where nobody says which. */
const DEFAULT_DAYS = 30;

const date = (description: string) =>
  z
    .string()
    .refine((text) => dayOfDate(text) !== undefined, 'expected a date like 2026-11-28')
    .optional()
    .meta({ description: `${description} UTC, like 2026-11-28.` });

/** The query of GET /v1/usage. */
export const UsageQuerySchema = z.object({
  start: date(`The first day; ${DEFAULT_DAYS - 1} days before the last one by default.`),
  end: date('The last day, which is included; today by default.'),
  group_by: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(['model', 'tenant'])))
    .optional()
    .meta({ description: 'model, tenant, or both separated by commas: a row for each of a day.' }),
  tenant: z
    .union([z.literal(ALL_TENANTS), TenantSchema])
    .optional()
    .meta({ description: `The key's own by default. Operators: any, or ${ALL_TENANTS} for all.` }),
  format: z.enum(['json', 'csv']).default('json'),
});

/** What is asked for, as days counted from 1970; both ends are included. */
export interface UsageQuery {
  readonly first: number;
  readonly last: number;
  readonly group_by: readonly ('model' | 'tenant')[];
  readonly tenant: string | undefined;
}

/**
 * Days that cannot have a figure any more are left out, or are refused where no other is left.
 * @param nowMs milliseconds since 1970
 */
export function usageQuery(
  { start, end, group_by = [], tenant }: z.output<typeof UsageQuerySchema>,
  nowMs: number,
): UsageQuery | { readonly wrong: 'start' | 'end'; readonly message: string } {
  const today = dayOf(nowMs);
  const oldest = today - USAGE_DAYS + 1;
  const last = dayOfDate(end ?? '') ?? today;
  const first = dayOfDate(start ?? '') ?? last - DEFAULT_DAYS + 1;
  if (last < first) return { wrong: 'end', message: `end (${dateOf(last)}) is before start (${dateOf(first)})` };
  if (last < oldest) {
    const kept = `usage is kept for ${USAGE_DAYS} days, since ${dateOf(oldest)}`;
    return { wrong: 'end', message: `end (${dateOf(last)}) is too long ago: ${kept}` };
  }
  if (first > today) return { wrong: 'start', message: `start (${dateOf(first)}) is in the future` };
  const by = (['model', 'tenant'] as const).filter((name) => group_by.includes(name));
  return { first: Math.max(first, oldest), last: Math.min(last, today), group_by: by, tenant };
}
