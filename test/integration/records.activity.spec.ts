import type { EndedRequest, WorkerRecord } from '@madakv/contracts';
import { Records } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';

const HOUR_MS = 3_600_000;
/** The first minute of an hour. */
const T0 = 490_000 * HOUR_MS;

let server: RedisServer;
let redis: Redis;
let records: Records;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  records = new Records(redis, '{activity}');
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

function ended(id: string, changes: Partial<EndedRequest> = {}): EndedRequest {
  return {
    id,
    tenant: 'acme',
    model: 'm',
    batchId: null,
    customId: null,
    errorCode: null,
    endedAtMs: T0,
    totalMs: 900,
    firstTokenMs: 300.4,
    grantedRatio: 0.25,
    fullBytes: 1_000,
    keptBytes: 200,
    ...changes,
  };
}

it('counts what ended by the minute, of a tenant and of all, over the hours', async () => {
  await records.activity.ended(ended('a'));
  await records.activity.ended(ended('b', { endedAtMs: T0 + 59_999, firstTokenMs: 100 }));
  await records.activity.ended(ended('c', { endedAtMs: T0 + 2 * HOUR_MS + 60_000, errorCode: 'timeout' }));
  await records.activity.ended(ended('d', { tenant: 'other' }));
  const minutes = await records.activity.minutes('acme', T0, T0 + 3 * HOUR_MS);
  expect(minutes).toEqual([
    {
      startMs: T0,
      answers: 2,
      errors: 0,
      firstTokenMs: 400,
      grantedRatio: 0.5,
      keptBytes: 400,
      fullBytes: 2_000,
      errorCodes: {},
    },
    expect.objectContaining({
      startMs: T0 + 2 * HOUR_MS + 60_000,
      answers: 0,
      errors: 1,
      errorCodes: { timeout: 1 },
    }) as object,
  ]);
  expect((await records.activity.minutes(undefined, T0, T0))[0].answers).toBe(3);
  expect(await records.activity.minutes('acme', T0 + 60_000, T0 + HOUR_MS)).toEqual([]);
});

it('keeps a bounded list of the last ones, and forgets all of it', async () => {
  for (let i = 0; i < 230; i++) await records.activity.ended(ended(`r${i}`, { tenant: 'busy' }));
  const { endedAtMs } = ended('r0');
  const recent = await records.activity.recent('busy', 1_000, endedAtMs);
  expect(recent).toHaveLength(200);
  expect(recent[0].id).toBe('r229');
  const day = 24 * 3_600_000;
  expect(await records.activity.recent('busy', 5, endedAtMs + day)).toHaveLength(5);
  expect(await records.activity.recent('busy', 5, endedAtMs + day + 1)).toEqual([]);
  const keys = (await redis.keys('{activity}:*')).filter((key) => !key.includes('workers'));
  expect(keys.length).toBeGreaterThan(5);
  for (const key of keys) expect([key, (await redis.ttl(key)) > 0]).toEqual([key, true]);
});

it('knows what the answers of a batch kept', async () => {
  for (const id of ['batch_1_1', 'batch_1_2']) await records.activity.ended(ended(id, { batchId: 'batch_1' }));
  await records.activity.ended(ended('batch_1_3', { batchId: 'batch_1', errorCode: 'timeout' }));
  expect(await records.activity.batchCaches(['batch_1', 'batch_2'])).toEqual([
    { fullBytes: 2_000, keptBytes: 400 },
    undefined,
  ]);
});

it('lists workers that live, and what all devices held in a minute when they held most', async () => {
  const worker = (id: string, leasedBytes: number, seenAtMs: number): WorkerRecord => ({
    id,
    roles: ['generate'],
    model: 'm',
    state: 'ready',
    progress: null,
    provider: 'cpu',
    precision: 'fp32',
    kvPrecision: 'fp32',
    memoryBytes: 1,
    device: { id: `device-${id}`, capacityBytes: 100, leasedBytes, allocatedBytes: 1, leases: 1, waiting: 0 },
    seenAtMs,
  });
  await records.workers.announce(worker('w1', 50, T0));
  await records.workers.announce(worker('w1', 20, T0 + 5_000));
  await records.workers.announce(worker('w2', 20, T0 + 5_000));
  await records.workers.announce({ ...worker('w3', 0, Date.now()), device: null });
  expect(await records.workers.deviceMinutes(T0 - HOUR_MS, T0 + HOUR_MS)).toEqual([
    { startMs: T0, capacityBytes: 200, leasedBytes: 70, allocatedBytes: 2 },
  ]);
  // The others have said nothing since a time long past.
  expect((await records.workers.list()).map(({ id }) => id)).toEqual(['w3']);
  expect(await redis.hkeys(records.keys.workers())).toEqual(['w3']);
  await records.workers.forget('w3');
  expect(await records.workers.list()).toEqual([]);
});
