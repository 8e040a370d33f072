import { z } from 'zod';
import { TenantSchema } from '../api.keys.js';

/** For how many days it is known what was used on them, the one that runs included. */
export const USAGE_DAYS = 92;

const count = z.int().min(0);
const date = z.string().meta({ description: 'UTC, like 2026-11-28.' });
const limit = count.nullable().meta({ description: 'Null: no limit.' });

const UsageCountsSchema = z.object({
  requests: count.meta({ description: 'That a worker has brought to an end.' }),
  errors: count.meta({ description: 'Those of them that were answered with an error.' }),
  prompt_tokens: count.meta({ description: 'Cached ones included.' }),
  cached_tokens: count.meta({ description: 'Prompt tokens that were not computed for the request itself.' }),
  completion_tokens: count,
  total_tokens: count.meta({ description: 'Of prompt and completion: what counts for the limit of a day.' }),
  full_bytes: count.meta({ description: 'Caches of the answers, had nothing been evicted.' }),
  kept_bytes: count.meta({ description: 'What was kept of them.' }),
});

/** A day of a tenant's, or of all; of one model where they are grouped so. */
export const UsageRowSchema = UsageCountsSchema.extend({
  date,
  tenant: TenantSchema.optional().meta({ description: 'With group_by=tenant.' }),
  model: z.string().optional().meta({ description: 'With group_by=model.' }),
});

/** What a tenant may still use. */
export const UsageQuotaSchema = z.object({
  tokens_per_day: z.object({
    limit,
    used: count.meta({ description: 'Of requests that were accepted today (UTC) and have ended.' }),
    reserved: count.meta({ description: 'What those that were accepted today and have not ended are taken for.' }),
    remaining: limit,
    resets_at: z.int().meta({ description: 'Midnight (UTC), in seconds since 1970.' }),
  }),
  queued_tokens: z.object({
    limit,
    reserved: count.meta({ description: 'What all requests that have not ended are taken for.' }),
    remaining: limit,
  }),
});

/** What was used, day by day. Requests count for the day on which they were accepted. */
export const UsageReportSchema = z.object({
  object: z.literal('usage'),
  start: date,
  end: date,
  tenant: TenantSchema.nullable().meta({ description: 'Null: of all tenants.' }),
  group_by: z.array(z.enum(['model', 'tenant'])),
  data: z.array(UsageRowSchema).meta({ description: 'In order; days without requests are left out.' }),
  total: UsageCountsSchema,
  quota: UsageQuotaSchema.nullable().meta({ description: 'As it stands now; null for all tenants.' }),
});

export type UsageTotals = z.infer<typeof UsageCountsSchema>;
export type UsageRow = z.infer<typeof UsageRowSchema>;
export type UsageQuota = z.infer<typeof UsageQuotaSchema>;
export type UsageReport = z.infer<typeof UsageReportSchema>;
