import { startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DemandRepository } from '../../apps/budget/src/demand.repository.js';
import { LeaseRepository } from '../../apps/budget/src/lease.repository.js';
import { LuaScripts } from '../../apps/budget/src/lua.scripts.js';
import { needOf, POLICY } from './budget.fixture.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ cluster: true });
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

it('a cluster refuses a script whose keys lie in several slots', async () => {
  await expect(redis.eval('return 1', 2, 'one', 'another')).rejects.toThrow('CROSSSLOT');
});

it('the keys of every script lie in one', async () => {
  const scripts = new LuaScripts(redis);
  const leases = new LeaseRepository(scripts, 'madakv:budget', POLICY);
  await leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 100 });
  await leases.setLimit('gpu', 90);
  const ask = { deviceId: 'gpu', holder: 'a', tenant: 't', need: needOf({ target: 90 }) };
  const reply = await leases.acquire({ ...ask, jobId: 'j' });
  if (reply.outcome !== 'granted') throw new Error(JSON.stringify(reply));
  expect(await leases.acquire({ ...ask, jobId: 'k' })).toMatchObject({ outcome: 'full' });
  const lease = { deviceId: 'gpu', leaseId: reply.granted.leaseId, fencingToken: reply.granted.fencingToken };
  expect(await leases.renew(lease)).toMatchObject({ outcome: 'held' });
  expect(await leases.resize(lease, 50)).toMatchObject({ outcome: 'held' });
  expect(await leases.list('gpu')).toMatchObject({ heldBytes: 50, waiting: [{ jobId: 'k' }] });
  expect(await leases.release(lease)).toMatchObject({ outcome: 'released' });
  expect(await leases.sweep('gpu')).toEqual({ expired: 0, forgotten: false });
  const demand = new DemandRepository(scripts, 'madakv:budget', 1_000);
  await demand.publish({ jobId: 'j', bytes: 5, model: 'm' });
  await demand.publish({ jobId: 'k', bytes: 6, model: '' });
  await demand.publish({ jobId: 'j', bytes: 0, model: '' });
  await demand.publishAbsent({ jobId: 'k', bytes: 7, model: 'm' }, 1_000);
  expect(await demand.queued()).toEqual({ bytes: 6, jobs: 1 });
});
