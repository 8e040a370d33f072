import { z } from 'zod';
import { ModelIdSchema } from './jobs/queue.catalogue.js';

/** The messages of budget.proto, field by field. What a field means stands there; here stands what it may be. */

/** 64 TiB: far above any device, and exact in JSON as Redis's Lua writes it (14 digits). */
export const MAX_BYTES = 2 ** 46;

const id = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, 'expected 1 to 128 letters, digits, or . _ : -');
const bytes = z.int().min(0).max(MAX_BYTES);
const positiveBytes = bytes.min(1);
/** Empty where it is not said. */
const model = ModelIdSchema.or(z.literal('')).optional();
const count = z.int().min(0);
const timeMs = z.int().min(0);

export const NeedSchema = z
  .object({ peakBytes: positiveBytes, targetBytes: positiveBytes, minBytes: positiveBytes, fullBytes: positiveBytes })
  .refine((need) => need.minBytes <= need.targetBytes, { error: 'expected min <= target', path: ['minBytes'] })
  .refine((need) => need.targetBytes <= need.peakBytes, { error: 'expected target <= peak', path: ['targetBytes'] });

export const LeaseRefSchema = z.object({ deviceId: id, leaseId: z.string().min(1).max(300), fencingToken: z.int() });

export const RegisterDeviceRequestSchema = z.object({ deviceId: id, workerId: id, capacityBytes: bytes, model });
export const SetCapacityRequestSchema = z.object({ deviceId: id, limitBytes: bytes.optional() });
export const AcquireRequestSchema = z.object({
  deviceId: id,
  jobId: id,
  holder: id,
  tenant: id,
  need: NeedSchema,
  /** The lower come first among those who wait; 0 where there is none. */
  rank: count.optional(),
});
export const RenewRequestSchema = z.object({ lease: LeaseRefSchema });
export const ResizeRequestSchema = z.object({ lease: LeaseRefSchema, bytes });
export const ReleaseRequestSchema = z.object({ lease: LeaseRefSchema });
export const ListRequestSchema = z.object({ deviceId: id.or(z.literal('')).default('') });
export const PublishDemandRequestSchema = z.object({ jobId: id, bytes, model });
export const QueryDemandRequestSchema = z.object({ model });

const Granted = z.object({
  leaseId: z.string(),
  fencingToken: z.int(),
  bytes,
  grantedBytes: bytes,
  cacheRatio: z.number().min(0).max(1),
  expiresAtMs: timeMs,
  ttlMs: timeMs,
});
const Full = z.object({
  reason: z.enum(['ROOM', 'QUEUE', 'TENANT_SHARE']),
  retryAfterMs: timeMs,
  position: count,
  waitTtlMs: timeMs,
});
const Impossible = z.object({
  neededBytes: bytes,
  deviceId: z.string(),
  capacityBytes: bytes,
  largestDeviceId: z.string(),
  largestCapacityBytes: bytes,
});
const Refused = z.object({ reason: z.enum(['UNKNOWN_DEVICE', 'GONE', 'STALE_TOKEN', 'OVER_PEAK']) });
const Held = z.object({ bytes, expiresAtMs: timeMs, ttlMs: timeMs });
const Capacity = z.object({ capacityBytes: bytes, heldBytes: bytes });
const Released = z.object({ bytes });

const granted = z.object({ outcome: z.literal('granted'), granted: Granted });
const full = z.object({ outcome: z.literal('full'), full: Full });
const impossible = z.object({ outcome: z.literal('impossible'), impossible: Impossible });
const refused = z.object({ outcome: z.literal('refused'), refused: Refused });
const held = z.object({ outcome: z.literal('held'), held: Held });
const capacity = z.object({ outcome: z.literal('capacity'), capacity: Capacity });
const released = z.object({ outcome: z.literal('released'), released: Released });

export const RegisterDeviceReplySchema = Capacity.extend({ ttlMs: timeMs });
export const SetCapacityReplySchema = z.discriminatedUnion('outcome', [capacity, refused]);
export const AcquireReplySchema = z.discriminatedUnion('outcome', [granted, full, impossible, refused]);
export const RenewReplySchema = z.discriminatedUnion('outcome', [held, refused]);
export const ResizeReplySchema = z.discriminatedUnion('outcome', [held, full, refused]);
export const ReleaseReplySchema = z.discriminatedUnion('outcome', [released, refused]);
export const PublishDemandReplySchema = z.object({});

export const LeaseSchema = z.object({
  leaseId: z.string(),
  fencingToken: z.int(),
  jobId: z.string(),
  holder: z.string(),
  tenant: z.string(),
  bytes,
  grantedBytes: bytes,
  peakBytes: bytes,
  grantedAtMs: timeMs,
  expiresAtMs: timeMs,
});
export const WaitingSchema = z.object({
  jobId: z.string(),
  holder: z.string(),
  tenant: z.string(),
  floorBytes: bytes,
  sinceMs: timeMs,
  askByMs: timeMs,
});
export const DeviceSchema = z.object({
  deviceId: z.string(),
  workerId: z.string(),
  live: z.boolean(),
  announcedBytes: bytes,
  capacityBytes: bytes,
  heldBytes: bytes,
  leases: z.array(LeaseSchema),
  waiting: z.array(WaitingSchema),
  expiredLeases: count,
});
export const ListReplySchema = z.object({ devices: z.array(DeviceSchema) });
export const QueryDemandReplySchema = z.object({
  queuedBytes: z.int().min(0),
  queuedJobs: count,
  heldBytes: z.int().min(0),
  capacityBytes: z.int().min(0),
  liveDevices: count,
  bytesPerDevice: bytes,
  wantedDevices: count,
  demandBytes: z.int().min(0),
});

export type Need = z.infer<typeof NeedSchema>;
export type LeaseRef = z.infer<typeof LeaseRefSchema>;
export type Lease = z.infer<typeof LeaseSchema>;
export type Waiting = z.infer<typeof WaitingSchema>;
export type Device = z.infer<typeof DeviceSchema>;
export type RegisterDeviceRequest = z.infer<typeof RegisterDeviceRequestSchema>;
export type RegisterDeviceReply = z.infer<typeof RegisterDeviceReplySchema>;
export type SetCapacityRequest = z.infer<typeof SetCapacityRequestSchema>;
export type SetCapacityReply = z.infer<typeof SetCapacityReplySchema>;
export type AcquireRequest = z.infer<typeof AcquireRequestSchema>;
export type AcquireReply = z.infer<typeof AcquireReplySchema>;
export type RenewRequest = z.infer<typeof RenewRequestSchema>;
export type RenewReply = z.infer<typeof RenewReplySchema>;
export type ResizeRequest = z.infer<typeof ResizeRequestSchema>;
export type ResizeReply = z.infer<typeof ResizeReplySchema>;
export type ReleaseRequest = z.infer<typeof ReleaseRequestSchema>;
export type ReleaseReply = z.infer<typeof ReleaseReplySchema>;
export type ListRequest = z.infer<typeof ListRequestSchema>;
export type ListReply = z.infer<typeof ListReplySchema>;
export type PublishDemandRequest = z.infer<typeof PublishDemandRequestSchema>;
export type PublishDemandReply = z.infer<typeof PublishDemandReplySchema>;
export type QueryDemandRequest = z.infer<typeof QueryDemandRequestSchema>;
export type QueryDemandReply = z.infer<typeof QueryDemandReplySchema>;

/**
 * Each method with its two messages: the one table that the service validates by and the client is typed from. A new
 * method without a row here does not compile in either.
 */
export const BUDGET_METHODS = {
  registerDevice: { request: RegisterDeviceRequestSchema, reply: RegisterDeviceReplySchema },
  setCapacity: { request: SetCapacityRequestSchema, reply: SetCapacityReplySchema },
  acquire: { request: AcquireRequestSchema, reply: AcquireReplySchema },
  renew: { request: RenewRequestSchema, reply: RenewReplySchema },
  resize: { request: ResizeRequestSchema, reply: ResizeReplySchema },
  release: { request: ReleaseRequestSchema, reply: ReleaseReplySchema },
  list: { request: ListRequestSchema, reply: ListReplySchema },
  publishDemand: { request: PublishDemandRequestSchema, reply: PublishDemandReplySchema },
  queryDemand: { request: QueryDemandRequestSchema, reply: QueryDemandReplySchema },
} as const;
export type BudgetMethod = keyof typeof BUDGET_METHODS;
export type BudgetRequest<M extends BudgetMethod> = z.input<(typeof BUDGET_METHODS)[M]['request']>;
export type BudgetReply<M extends BudgetMethod> = z.output<(typeof BUDGET_METHODS)[M]['reply']>;
/** The service as its methods; what it gets has been validated. */
export type BudgetApi = {
  readonly [M in BudgetMethod]: (request: z.output<(typeof BUDGET_METHODS)[M]['request']>) => Promise<BudgetReply<M>>;
};
