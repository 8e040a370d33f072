import type { AcquireReply, LeaseRef, Need } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { leaseIdOf, type LeasePolicy } from '../../apps/budget/src/lease.repository.js';
import { LeaseBench, needOf, POLICY, START_MS } from './budget.fixture.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

let tests = 0;
let bench: LeaseBench;
let now: number;
const at = async (ms: number): Promise<void> => bench.setClock('gpu', (now = START_MS + ms));

async function open(capacityBytes: number, policy: Partial<LeasePolicy> = {}): Promise<void> {
  bench = new LeaseBench(redis, `t${++tests}`, { ...POLICY, ...policy });
  await at(0);
  await bench.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes });
}
beforeEach(() => open(1000));

const ask = (jobId: string, need: Need, { holder = 'a1', tenant = 't' } = {}): Promise<AcquireReply> =>
  bench.leases.acquire({ deviceId: 'gpu', jobId, holder, tenant, need });

async function take(jobId: string, need: Need, who: { holder?: string; tenant?: string } = {}): Promise<LeaseRef> {
  const reply = await ask(jobId, need, who);
  if (reply.outcome !== 'granted') throw new Error(`expected a grant, got ${JSON.stringify(reply)}`);
  const { leaseId, fencingToken } = reply.granted;
  return { deviceId: 'gpu', leaseId, fencingToken };
}
const give = (lease: LeaseRef): Promise<unknown> => bench.leases.release(lease);

async function held(): Promise<number> {
  return (await bench.leases.list('gpu'))?.heldBytes ?? NaN;
}
const fullFor = (reason: string): object => ({ outcome: 'full', full: { reason } });
const refusedFor = (reason: string): object => ({ outcome: 'refused', refused: { reason } });

describe('acquire', () => {
  it('grants the target and the transient part where nobody waits', async () => {
    expect(await ask('j', needOf({ target: 200, min: 50, transient: 300, full: 800 }))).toEqual({
      outcome: 'granted',
      granted: {
        leaseId: leaseIdOf('j', 'a1'),
        fencingToken: START_MS,
        bytes: 500,
        grantedBytes: 200,
        cacheRatio: 0.25,
        expiresAtMs: START_MS + 1000,
        ttlMs: 1000,
      },
    });
    expect(await held()).toBe(500);
  });

  it('grants less than the target, and no less than the minimum, where that is what fits', async () => {
    await take('a', needOf({ target: 800 }));
    const reply = await ask('b', needOf({ target: 200, min: 50, transient: 100 }));
    expect(reply).toMatchObject({ outcome: 'granted', granted: { bytes: 200, grantedBytes: 100 } });
    expect(await ask('c', needOf({ target: 200, min: 1 }))).toMatchObject(fullFor('ROOM'));
  });

  it('fills the device to the last byte', async () => {
    await take('a', needOf({ target: 999 }));
    await take('b', needOf({ target: 1 }));
    expect(await held()).toBe(1000);
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject(fullFor('ROOM'));
  });

  it('returns the same lease when the same holder asks again, and charges once', async () => {
    const first = await take('j', needOf({ target: 400 }));
    await at(500);
    expect(await ask('j', needOf({ target: 400 }))).toMatchObject({
      outcome: 'granted',
      granted: { fencingToken: first.fencingToken, bytes: 400, expiresAtMs: now + 1000 },
    });
    expect(await held()).toBe(400);
  });

  it('charges another attempt at the same job on its own until the first one ends', async () => {
    await take('j', needOf({ target: 400 }), { holder: 'a1' });
    await take('j', needOf({ target: 400 }), { holder: 'a2' });
    expect(await held()).toBe(800);
  });

  it('says that what exceeds the announced capacity is impossible, with the numbers', async () => {
    expect(await ask('j', needOf({ target: 5000, min: 500, transient: 501 }))).toEqual({
      outcome: 'impossible',
      impossible: {
        neededBytes: 1001,
        deviceId: 'gpu',
        capacityBytes: 1000,
        largestDeviceId: 'gpu',
        largestCapacityBytes: 1000,
      },
    });
    expect(await ask('k', needOf({ target: 5000, min: 500, transient: 500 }))).toMatchObject({ outcome: 'granted' });
  });

  it('is refused on a device that is unknown, or not announced for its time to live', async () => {
    await bench.setClock('other', START_MS);
    const elsewhere = { deviceId: 'other', jobId: 'j', holder: 'a', tenant: 't', need: needOf({ target: 1 }) };
    expect(await bench.leases.acquire(elsewhere)).toEqual(refusedFor('UNKNOWN_DEVICE'));
    await at(POLICY.deviceTtlMs);
    expect(await ask('j', needOf({ target: 1 }))).toEqual(refusedFor('UNKNOWN_DEVICE'));
  });

  it('gives tokens that grow, and keep growing after a release, a clock that jumps back, or lost data', async () => {
    const tokens: number[] = [];
    const next = async (): Promise<void> => {
      const lease = await take(`j${tokens.length}`, needOf({ target: 1 }));
      tokens.push(lease.fencingToken);
      await give(lease);
    };
    await next();
    await next();
    await at(-5000);
    await next();
    await redis.flushall();
    await at(100);
    await bench.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 1000 });
    await next();
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });
});

describe('who waits', () => {
  it('is told its place and when to ask again, the later the further behind', async () => {
    await take('a', needOf({ target: 1000 }));
    const places = [];
    for (const job of ['b', 'c', 'd', 'e', 'f', 'g']) places.push(await ask(job, needOf({ target: 10 })));
    expect(places.map((reply) => reply.outcome === 'full' && reply.full.position)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(places.map((reply) => reply.outcome === 'full' && reply.full.retryAfterMs)).toEqual([
      100, 200, 300, 400, 500, 500,
    ]);
    expect(await ask('c', needOf({ target: 10 }))).toMatchObject({ full: { position: 2 } });
  });

  it('gets the least that all can have while others wait, instead of making them wait longer', async () => {
    const lease = await take('a', needOf({ target: 1000 }));
    for (const job of ['b', 'c', 'd']) await ask(job, needOf({ target: 900, min: 300 }));
    await give(lease);
    const elastic = needOf({ target: 900, min: 300 });
    // 1000 free: 300 for each of three, and a third of the 100 left over for the first.
    expect(await ask('b', elastic)).toMatchObject({ granted: { grantedBytes: 333 } });
    expect(await ask('c', elastic)).toMatchObject({ granted: { grantedBytes: 333 } });
    expect(await ask('d', elastic)).toMatchObject({ granted: { grantedBytes: 334 } });
    expect(await held()).toBe(1000);
  });

  it('may be overtaken by what fits until the bound, and not after it', async () => {
    await take('a', needOf({ target: 600 }));
    const large = needOf({ target: 700 });
    expect(await ask('large', large)).toMatchObject(fullFor('ROOM'));
    await at(299);
    await ask('large', large);
    const small = await take('small', needOf({ target: 100 }));
    await at(300);
    expect(await ask('small2', needOf({ target: 100 }))).toMatchObject(fullFor('QUEUE'));
    await give(small);
    expect(await ask('small2', needOf({ target: 100 }))).toMatchObject(fullFor('QUEUE'));
  });

  it('lets others use what it does not need, also after the bound', async () => {
    await take('a', needOf({ target: 600 }));
    await ask('large', needOf({ target: 700 }));
    await at(400);
    await bench.leases.resize({ ...(await take('a', needOf({ target: 600 }))) }, 100);
    expect(await ask('small', needOf({ target: 200, min: 150 }))).toMatchObject({ granted: { grantedBytes: 200 } });
    expect(await ask('small2', needOf({ target: 1 }))).toMatchObject(fullFor('QUEUE'));
    expect(await ask('large', needOf({ target: 700 }))).toMatchObject({ outcome: 'granted' });
  });

  it('loses its place, and the room kept for it, when it stops asking', async () => {
    const first = await take('a', needOf({ target: 600 }));
    await ask('large', needOf({ target: 700 }));
    await at(599);
    await bench.leases.renew(first);
    expect(await ask('small', needOf({ target: 100 }))).toMatchObject(fullFor('QUEUE'));
    await at(600);
    expect(await ask('small', needOf({ target: 100 }))).toMatchObject({ outcome: 'granted' });
    expect((await bench.leases.list('gpu'))?.waiting).toEqual([]);
  });

  it('does not hold up others when the device became too small for it', async () => {
    await take('a', needOf({ target: 600 }));
    await ask('large', needOf({ target: 900 }));
    await at(350);
    await bench.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 800 });
    expect(await ask('small', needOf({ target: 100 }))).toMatchObject({ outcome: 'granted' });
    expect(await ask('large', needOf({ target: 900 }))).toMatchObject({ outcome: 'impossible' });
    expect((await bench.leases.list('gpu'))?.waiting).toEqual([]);
  });
});

describe('tenant shares', () => {
  const shares = { tenantShares: { '*': 0.5, large: 1 } };

  it('do not matter while nobody else waits', async () => {
    await open(1000, shares);
    await take('a', needOf({ target: 400 }), { tenant: 'x' });
    await take('b', needOf({ target: 600 }), { tenant: 'x' });
    expect(await held()).toBe(1000);
  });

  it('stop a tenant at its share while another waits', async () => {
    await open(1000, shares);
    const a = await take('a', needOf({ target: 400 }), { tenant: 'x' });
    await take('b', needOf({ target: 400 }), { tenant: 'x' });
    await ask('c', needOf({ target: 300 }), { tenant: 'y' });
    expect(await ask('d', needOf({ target: 150 }), { tenant: 'x' })).toMatchObject(fullFor('TENANT_SHARE'));
    await give(a);
    expect(await ask('d', needOf({ target: 150, min: 100 }), { tenant: 'x' })).toMatchObject({
      granted: { grantedBytes: 100 },
    });
    expect(await ask('c', needOf({ target: 300 }), { tenant: 'y' })).toMatchObject({ outcome: 'granted' });
  });

  it('let a tenant that holds nothing run one job larger than its share, at its least', async () => {
    await open(1000, shares);
    const all = await take('a', needOf({ target: 1000 }), { tenant: 'large' });
    await ask('b', needOf({ target: 200 }), { tenant: 'y' });
    await ask('c', needOf({ target: 900, min: 700 }), { tenant: 'x' });
    await give(all);
    expect(await ask('c', needOf({ target: 900, min: 700 }), { tenant: 'x' })).toMatchObject({
      granted: { grantedBytes: 700 },
    });
  });

  it('hold nobody back when all who wait are at their share', async () => {
    await open(1000, { tenantShares: { '*': 0.2 } });
    await take('a', needOf({ target: 200 }), { tenant: 'x' });
    await take('b', needOf({ target: 200 }), { tenant: 'y' });
    const third = await take('c', needOf({ target: 600 }), { tenant: 'z' });
    await ask('d', needOf({ target: 100 }), { tenant: 'y' });
    await give(third);
    expect(await ask('e', needOf({ target: 100 }), { tenant: 'x' })).toMatchObject({ outcome: 'granted' });
  });

  it('keep a tenant from passing its own large job with small ones, but not others', async () => {
    await open(1000, shares);
    await take('a', needOf({ target: 300 }), { tenant: 'x' });
    await take('o', needOf({ target: 600 }), { tenant: 'y' });
    await ask('b', needOf({ target: 450 }), { tenant: 'x' });
    await at(300);
    await ask('b', needOf({ target: 450 }), { tenant: 'x' });
    await ask('p', needOf({ target: 200 }), { tenant: 'z' });
    expect(await ask('c', needOf({ target: 50 }), { tenant: 'x' })).toMatchObject(fullFor('TENANT_SHARE'));
    expect(await ask('q', needOf({ target: 50 }), { tenant: 'z' })).toMatchObject({ outcome: 'granted' });
  });
});

describe('renew, resize, release', () => {
  it('a renewed lease lives on, another one ends with its time', async () => {
    const kept = await take('kept', needOf({ target: 100 }));
    const left = await take('left', needOf({ target: 100 }));
    await at(999);
    expect(await bench.leases.renew(kept)).toEqual({
      outcome: 'held',
      held: { bytes: 100, expiresAtMs: now + 1000, ttlMs: 1000 },
    });
    await at(1000);
    expect(await bench.leases.renew(left)).toEqual(refusedFor('GONE'));
    expect(await bench.leases.resize(left, 1)).toEqual(refusedFor('GONE'));
    expect(await held()).toBe(100);
    expect(await bench.leases.list('gpu')).toMatchObject({ expiredLeases: 1 });
  });

  it('a sweep alone returns what expired', async () => {
    await take('a', needOf({ target: 1000 }));
    await at(1000);
    expect(await bench.leases.sweep('gpu')).toEqual({ expired: 1, forgotten: false });
    expect(await bench.leases.sweep('gpu')).toEqual({ expired: 0, forgotten: false });
  });

  it('a lease shrinks always, and grows where there is room, up to its peak', async () => {
    const lease = await take('a', needOf({ target: 400, transient: 400 }));
    expect(await bench.leases.resize(lease, 300)).toMatchObject({ outcome: 'held', held: { bytes: 300 } });
    await take('b', needOf({ target: 600 }));
    expect(await bench.leases.resize(lease, 401)).toMatchObject({
      outcome: 'full',
      full: { reason: 'ROOM', position: 0 },
    });
    expect(await bench.leases.resize(lease, 400)).toMatchObject({ outcome: 'held', held: { bytes: 400 } });
    expect(await bench.leases.resize(lease, 801)).toEqual(refusedFor('OVER_PEAK'));
    expect(await bench.leases.resize(lease, 0)).toMatchObject({ outcome: 'held', held: { bytes: 0 } });
    expect(await held()).toBe(600);
  });

  it('a resize keeps the lease alive, also when there is no room', async () => {
    const lease = await take('a', needOf({ target: 500, transient: 100 }));
    await bench.leases.resize(lease, 500);
    const other = await take('b', needOf({ target: 500 }));
    await at(900);
    await bench.leases.renew(other);
    expect(await bench.leases.resize(lease, 600)).toMatchObject({ outcome: 'full' });
    await at(1500);
    expect(await bench.leases.renew(lease)).toMatchObject({ outcome: 'held' });
  });

  it('a release may be repeated', async () => {
    const lease = await take('a', needOf({ target: 100 }));
    expect(await bench.leases.release(lease)).toEqual({ outcome: 'released', released: { bytes: 100 } });
    expect(await bench.leases.release(lease)).toEqual({ outcome: 'released', released: { bytes: 0 } });
    expect(await held()).toBe(0);
  });

  it('a lease that holds nothing ends like any other', async () => {
    const lease = await take('a', needOf({ target: 100 }));
    await bench.leases.resize(lease, 0);
    expect(await bench.leases.release(lease)).toEqual({ outcome: 'released', released: { bytes: 0 } });
    expect(await bench.leases.renew(lease)).toEqual(refusedFor('GONE'));
  });

  it('a token of an earlier grant under the same id opens nothing', async () => {
    const stale = await take('a', needOf({ target: 100 }));
    await at(1000);
    const current = await take('a', needOf({ target: 100 }));
    expect(current.leaseId).toBe(stale.leaseId);
    for (const use of [bench.leases.renew(stale), bench.leases.resize(stale, 1), bench.leases.release(stale)]) {
      expect(await use).toEqual(refusedFor('STALE_TOKEN'));
    }
    expect(await bench.leases.renew(current)).toMatchObject({ outcome: 'held', held: { bytes: 100 } });
  });
});

describe('capacity', () => {
  it('a limit below what is held ends nothing and lets nothing new in until it fits', async () => {
    const a = await take('a', needOf({ target: 600, transient: 100 }));
    await bench.leases.resize(a, 600);
    const b = await take('b', needOf({ target: 300 }));
    expect(await bench.leases.setLimit('gpu', 500)).toEqual({
      outcome: 'capacity',
      capacity: { capacityBytes: 500, heldBytes: 900 },
    });
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject(fullFor('ROOM'));
    expect(await bench.leases.resize(a, 601)).toMatchObject({ outcome: 'full' });
    await give(b);
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject(fullFor('ROOM'));
    expect(await bench.leases.resize(a, 499)).toMatchObject({ outcome: 'held' });
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject({ outcome: 'granted' });
  });

  it('a limit outlives announcements and is never above them; without it the announcement counts', async () => {
    await bench.leases.setLimit('gpu', 5000);
    expect(await bench.leases.list('gpu')).toMatchObject({ capacityBytes: 1000, announcedBytes: 1000 });
    await bench.leases.setLimit('gpu', 300);
    const again = { deviceId: 'gpu', workerId: 'w2', capacityBytes: 2000 };
    expect(await bench.leases.register(again)).toMatchObject({ capacityBytes: 300 });
    expect(await bench.leases.setLimit('gpu', undefined)).toMatchObject({ capacity: { capacityBytes: 2000 } });
    expect(await bench.leases.list('gpu')).toMatchObject({ workerId: 'w2' });
  });

  it('a limit makes jobs wait that the device could hold without it', async () => {
    await bench.leases.setLimit('gpu', 0);
    expect(await ask('a', needOf({ target: 1000 }))).toMatchObject(fullFor('ROOM'));
  });

  it('is refused on an unknown device', async () => {
    await bench.setClock('other', START_MS);
    expect(await bench.leases.setLimit('other', 1)).toEqual(refusedFor('UNKNOWN_DEVICE'));
    expect(await bench.leases.list('other')).toBeUndefined();
  });
});

describe('a device whose worker went away', () => {
  it('returns its leases with their time to live, and is forgotten later', async () => {
    await take('a', needOf({ target: 100 }));
    await at(POLICY.deviceTtlMs + POLICY.forgetMs - 1);
    expect(await bench.leases.sweep('gpu')).toEqual({ expired: 1, forgotten: false });
    expect(await bench.leases.list('gpu')).toMatchObject({ live: false, heldBytes: 0 });
    await at(POLICY.deviceTtlMs + POLICY.forgetMs);
    expect(await bench.leases.sweep('gpu')).toEqual({ expired: 0, forgotten: true });
    expect(await bench.leases.list('gpu')).toBeUndefined();
    expect(await redis.exists(...bench.leases.keysOf('gpu'))).toBe(0);
  });

  it('is remembered while it has a limit', async () => {
    await bench.leases.setLimit('gpu', 10);
    await at(10 * (POLICY.deviceTtlMs + POLICY.forgetMs));
    expect(await bench.leases.sweep('gpu')).toMatchObject({ forgotten: false });
  });

  it('keeps what its leases hold when it is announced again', async () => {
    await take('a', needOf({ target: 100 }));
    expect(await bench.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 1000 })).toEqual({
      capacityBytes: 1000,
      heldBytes: 100,
      ttlMs: POLICY.deviceTtlMs,
    });
  });
});
