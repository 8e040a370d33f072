import { startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LuaScripts } from '../../apps/budget/src/lua.scripts.js';
import { LeaseBench, needOf, POLICY, START_MS, TEST_CLOCK } from './budget.fixture.js';
import { loadSnapshots } from './budget.snapshot.js';
import { World } from './budget.world.js';

const INTERLEAVINGS = 10_000;
/** Interleavings that run side by side, so that commands travel in pipelines. */
const AT_ONCE = 100;
/** Most are short, so that a failure is easy to read; every hundredth is long enough for queues to build up. */
const stepsOf = (seed: number): number => (seed % 100 === 0 ? 250 : 16);

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { enableAutoPipelining: true });
  await loadSnapshots(redis);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

it(`${INTERLEAVINGS} random interleavings of clients, crashes, clock jumps and capacity changes break no rule`, async () => {
  const scripts = new LuaScripts(redis, { 'clock.lua': TEST_CLOCK });
  const outcomes = new Map<string, number>();
  await loadAll(scripts);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let seed = next++; seed < INTERLEAVINGS; seed = next++) {
      const world = new World(redis, scripts, seed);
      await world.run(stepsOf(seed)).catch((error: unknown) => {
        next = INTERLEAVINGS;
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      });
      for (const [outcome, times] of world.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  // Every way that a call can end was met, often enough to have been tried in many states.
  for (const outcome of [
    ...['granted', 'between', 'at least', 'impossible', 'ROOM', 'QUEUE', 'TENANT_SHARE', 'UNKNOWN_DEVICE'],
    ...['renew held', 'resize held', 'resize full', 'release released', 'GONE', 'STALE_TOKEN', 'OVER_PEAK'],
  ]) {
    expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(50);
  }
}, 300_000);

/** Redis must know every script beforehand: one sent again as text would run after the snapshot that follows it. */
async function loadAll(scripts: LuaScripts): Promise<void> {
  const bench = new LeaseBench(redis, 'load', POLICY, scripts);
  const { leases } = bench;
  const deviceId = 'x';
  await bench.setClock(deviceId, START_MS);
  await leases.register({ deviceId, workerId: 'w', capacityBytes: 1 });
  await leases.setLimit(deviceId, undefined);
  await leases.acquire({ deviceId, jobId: 'j', holder: 'h', tenant: 't', need: needOf({ target: 1 }) });
  const nobody = { deviceId, leaseId: 'nobody', fencingToken: 0 };
  await Promise.all([leases.renew(nobody), leases.resize(nobody, 1), leases.release(nobody)]);
  await Promise.all([leases.list(deviceId), leases.sweep(deviceId)]);
}
