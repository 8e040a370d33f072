import { z } from 'zod';
import { TenantSchema } from '../api.keys.js';

const count = z.int().min(0);
const bytes = z.int().min(0);
const share = z.number().min(0).max(1);
const timeMs = z.int().min(0);

/** How many requests ended in a time, and how. */
const EndedSchema = z.object({
  answers: count,
  errors: count,
  first_token_ms: z
    .number()
    .nullable()
    .meta({ description: 'Mean time from acceptance to the first token of an answer; null without answers.' }),
  granted_ratio: share.nullable().meta({ description: 'Mean share of the cache that was granted.' }),
  kept_bytes: bytes.meta({ description: 'Cache after eviction of all answers together.' }),
  full_bytes: bytes.meta({ description: 'What it would have been without eviction.' }),
});

const QueueSchema = z.object({
  model: z.string(),
  waiting_prepare: count,
  active_prepare: count,
  waiting_generate: count,
  active_generate: count,
  delayed: count.meta({ description: 'Jobs that wait for memory, or for another attempt.' }),
});

const DeviceSchema = z.object({
  id: z.string(),
  worker: z.string(),
  model: z.string(),
  capacity_bytes: bytes,
  leased_bytes: bytes,
  kept_bytes: bytes.meta({ description: 'Caches that are allocated now.' }),
  free_bytes: bytes,
  leases: count,
  waiting: count,
});

/** A process that takes jobs. */
export const WorkerObjectSchema = z.object({
  id: z.string(),
  roles: z.array(z.string()),
  model: z.string().nullable(),
  state: z.string().meta({ description: 'starting, building, ready, restarting or ending.' }),
  progress: z
    .object({ done: count, total: count })
    .nullable()
    .meta({ description: 'Graphs that are built, while a model is.' }),
  provider: z.string().nullable(),
  precision: z.string().nullable(),
  kv_precision: z.string().nullable(),
  device: z.string().nullable(),
  memory_bytes: bytes.meta({ description: 'Resident memory of the process.' }),
  seen_at_ms: timeMs,
});

/** What runs and waits now. A tenant sees its own; an operator the system. */
export const OverviewSchema = z.object({
  object: z.literal('overview'),
  at_ms: timeMs,
  tenant: TenantSchema,
  scope: z.enum(['tenant', 'system']),
  last_minutes: EndedSchema.extend({
    minutes: z
      .number()
      .positive()
      .meta({ description: 'Time that is covered: five whole minutes and the one that runs.' }),
  }),
  batches: z
    .object({ open: count, lines: count, lines_ended: count })
    .meta({ description: 'That have not ended. For an operator lines are those of at most 1,000 of them.' }),
  errors: z
    .array(z.object({ code: z.string(), count }))
    .meta({ description: 'Of the last hour, most frequent first.' }),
  queues: z.array(QueueSchema).meta({ description: 'Operators only.' }),
  devices: z.array(DeviceSchema).meta({ description: 'Operators only.' }),
  workers: z.array(WorkerObjectSchema).meta({ description: 'Operators only.' }),
});

/** What ended, and what devices held, by the time: at most 24 hours. */
export const HistorySchema = z.object({
  object: z.literal('history'),
  step_ms: timeMs,
  points: z.array(
    EndedSchema.extend({
      at_ms: timeMs,
      capacity_bytes: bytes.nullable(),
      leased_bytes: bytes.nullable(),
      allocated_bytes: bytes
        .nullable()
        .meta({ description: 'Caches on all devices; operators only, as the two before.' }),
    }),
  ),
});

/** A request that ended lately. */
export const RecentRequestSchema = z.object({
  object: z.literal('request'),
  id: z.string(),
  model: z.string(),
  batch_id: z.string().nullable(),
  custom_id: z.string().nullable(),
  status: z.enum(['completed', 'failed']),
  error_code: z.string().nullable(),
  total_ms: z.number(),
  kept_ratio: z
    .number()
    .nullable()
    .meta({ description: 'Bytes of the cache that were kept over those of the whole one.' }),
  ended_at_ms: timeMs,
});
export const RecentRequestListSchema = z.object({ object: z.literal('list'), data: z.array(RecentRequestSchema) });

export type Overview = z.infer<typeof OverviewSchema>;
export type History = z.infer<typeof HistorySchema>;
export type WorkerObject = z.infer<typeof WorkerObjectSchema>;
export type RecentRequest = z.infer<typeof RecentRequestSchema>;
