import { createHash } from 'node:crypto';
import { LeaseSchema, WaitingSchema, type Lease } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { z } from 'zod';

/** One that waits, as the scripts keep it. */
const EntrySchema = WaitingSchema.extend({ leaseId: z.string(), elasticBytes: z.int(), arrival: z.int() });
export type Entry = z.infer<typeof EntrySchema>;

/** A device as its keys hold it, expired parts included. */
export interface Snapshot {
  readonly known: boolean;
  readonly announced: number;
  readonly capacity: number;
  readonly expiresAtMs: number;
  /** The counter that scripts keep; `leases` says what it ought to be. */
  readonly held: number;
  readonly leases: readonly Lease[];
  readonly expiries: ReadonlyMap<string, number>;
  readonly tenants: ReadonlyMap<string, number>;
  readonly waiting: readonly Entry[];
}

const SOURCE = `return {
  redis.call('HGETALL', KEYS[1]), redis.call('HVALS', KEYS[2]), redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES'),
  redis.call('HGETALL', KEYS[4]), redis.call('HVALS', KEYS[5])
}`;
const SHA = createHash('sha1').update(SOURCE).digest('hex');
const Raw = z.tuple([
  z.array(z.string()),
  z.array(z.string()),
  z.array(z.string()),
  z.array(z.string()),
  z.array(z.string()),
]);

export async function loadSnapshots(redis: Redis): Promise<void> {
  await redis.script('LOAD', SOURCE);
}

/** Reads without collecting anything, so that what a script left behind shows. */
export async function snapshotOf(redis: Redis, keys: readonly string[]): Promise<Snapshot> {
  const [device, leases, expiries, tenants, waiting] = Raw.parse(await redis.evalsha(SHA, keys.length, ...keys));
  const fields = pairs(device);
  const announced = Number(fields.get('announced') ?? 0);
  return {
    known: fields.has('announced'),
    announced,
    capacity: Math.min(announced, Number(fields.get('limit') ?? announced)),
    expiresAtMs: Number(fields.get('expiresAt') ?? 0),
    held: Number(fields.get('held') ?? 0),
    leases: leases.map((json) => LeaseSchema.parse(JSON.parse(json))),
    expiries: numbers(expiries),
    tenants: numbers(tenants),
    waiting: waiting.map((json) => EntrySchema.parse(JSON.parse(json))).sort((a, b) => a.arrival - b.arrival),
  };
}

function pairs(flat: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) map.set(String(flat.at(i)), String(flat.at(i + 1)));
  return map;
}

function numbers(flat: readonly string[]): Map<string, number> {
  return new Map([...pairs(flat)].map(([key, value]) => [key, Number(value)]));
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
