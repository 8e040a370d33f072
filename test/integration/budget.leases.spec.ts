import { describe, expect, it } from 'vitest';
import { leaseIdOf } from '../../apps/budget/src/lease.repository.js';
import { fullFor, refusedFor, TestDevice } from './budget.device.js';
import { needOf, POLICY, START_MS } from './budget.fixture.js';

const device = new TestDevice();
const { at, ask, take, give, held } = device;

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

  it('never means a cache ratio above 1', async () => {
    const padded = needOf({ target: 200, full: 150 });
    expect(await ask('j', padded)).toMatchObject({ granted: { grantedBytes: 200, cacheRatio: 1 } });
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
      granted: { fencingToken: first.fencingToken, bytes: 400, expiresAtMs: device.nowMs + 1000 },
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
    await device.setClock('other', START_MS);
    const elsewhere = { deviceId: 'other', jobId: 'j', holder: 'a', tenant: 't', need: needOf({ target: 1 }) };
    expect(await device.leases.acquire(elsewhere)).toEqual(refusedFor('UNKNOWN_DEVICE'));
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
    await device.redis.flushall();
    await at(100);
    await device.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 1000 });
    await next();
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });
});

describe('renew, resize, release', () => {
  it('a renewed lease lives on, another one ends with its time', async () => {
    const kept = await take('kept', needOf({ target: 100 }));
    const left = await take('left', needOf({ target: 100 }));
    await at(999);
    expect(await device.leases.renew(kept)).toEqual({
      outcome: 'held',
      held: { bytes: 100, expiresAtMs: device.nowMs + 1000, ttlMs: 1000 },
    });
    await at(1000);
    expect(await device.leases.renew(left)).toEqual(refusedFor('GONE'));
    expect(await device.leases.resize(left, 1)).toEqual(refusedFor('GONE'));
    expect(await held()).toBe(100);
    expect(await device.leases.list('gpu')).toMatchObject({ expiredLeases: 1 });
  });

  it('a sweep alone returns what expired', async () => {
    await take('a', needOf({ target: 1000 }));
    await at(1000);
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 1, forgotten: false });
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 0, forgotten: false });
  });

  it('a sweep tells of every lease that expired, also those that another script came upon', async () => {
    await take('a', needOf({ target: 100 }));
    await take('b', needOf({ target: 100 }));
    await at(1000);
    expect(await device.leases.list('gpu')).toMatchObject({ heldBytes: 0, expiredLeases: 2 });
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 2, forgotten: false });
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 0, forgotten: false });
  });

  it('a lease shrinks always, and grows where there is room, up to its peak', async () => {
    const lease = await take('a', needOf({ target: 400, transient: 400 }));
    expect(await device.leases.resize(lease, 300)).toMatchObject({ outcome: 'held', held: { bytes: 300 } });
    await take('b', needOf({ target: 600 }));
    expect(await device.leases.resize(lease, 401)).toMatchObject({
      outcome: 'full',
      full: { reason: 'ROOM', position: 0 },
    });
    expect(await device.leases.resize(lease, 400)).toMatchObject({ outcome: 'held', held: { bytes: 400 } });
    expect(await device.leases.resize(lease, 801)).toEqual(refusedFor('OVER_PEAK'));
    expect(await device.leases.resize(lease, 0)).toMatchObject({ outcome: 'held', held: { bytes: 0 } });
    expect(await held()).toBe(600);
  });

  it('a resize keeps the lease alive, also when there is no room', async () => {
    const lease = await take('a', needOf({ target: 500, transient: 100 }));
    await device.leases.resize(lease, 500);
    const other = await take('b', needOf({ target: 500 }));
    await at(900);
    await device.leases.renew(other);
    expect(await device.leases.resize(lease, 600)).toMatchObject({ outcome: 'full' });
    await at(1500);
    expect(await device.leases.renew(lease)).toMatchObject({ outcome: 'held' });
  });

  it('a release may be repeated', async () => {
    const lease = await take('a', needOf({ target: 100 }));
    expect(await device.leases.release(lease)).toEqual({ outcome: 'released', released: { bytes: 100 } });
    expect(await device.leases.release(lease)).toEqual({ outcome: 'released', released: { bytes: 0 } });
    expect(await held()).toBe(0);
  });

  it('a lease that holds nothing ends like any other', async () => {
    const lease = await take('a', needOf({ target: 100 }));
    await device.leases.resize(lease, 0);
    expect(await device.leases.release(lease)).toEqual({ outcome: 'released', released: { bytes: 0 } });
    expect(await device.leases.renew(lease)).toEqual(refusedFor('GONE'));
  });

  it('a token of an earlier grant under the same id opens nothing', async () => {
    const stale = await take('a', needOf({ target: 100 }));
    await at(1000);
    const current = await take('a', needOf({ target: 100 }));
    expect(current.leaseId).toBe(stale.leaseId);
    for (const use of [device.leases.renew(stale), device.leases.resize(stale, 1), device.leases.release(stale)]) {
      expect(await use).toEqual(refusedFor('STALE_TOKEN'));
    }
    expect(await device.leases.renew(current)).toMatchObject({ outcome: 'held', held: { bytes: 100 } });
  });
});

describe('capacity', () => {
  it('a limit below what is held ends nothing and lets nothing new in until it fits', async () => {
    const a = await take('a', needOf({ target: 600, transient: 100 }));
    await device.leases.resize(a, 600);
    const b = await take('b', needOf({ target: 300 }));
    expect(await device.leases.setLimit('gpu', 500)).toEqual({
      outcome: 'capacity',
      capacity: { capacityBytes: 500, heldBytes: 900 },
    });
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject(fullFor('ROOM'));
    expect(await device.leases.resize(a, 601)).toMatchObject({ outcome: 'full' });
    await give(b);
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject(fullFor('ROOM'));
    expect(await device.leases.resize(a, 499)).toMatchObject({ outcome: 'held' });
    expect(await ask('c', needOf({ target: 1 }))).toMatchObject({ outcome: 'granted' });
  });

  it('a limit outlives announcements and is never above them; without it the announcement counts', async () => {
    await device.leases.setLimit('gpu', 5000);
    expect(await device.leases.list('gpu')).toMatchObject({ capacityBytes: 1000, announcedBytes: 1000 });
    await device.leases.setLimit('gpu', 300);
    const again = { deviceId: 'gpu', workerId: 'w2', capacityBytes: 2000 };
    expect(await device.leases.register(again)).toMatchObject({ capacityBytes: 300 });
    expect(await device.leases.setLimit('gpu', undefined)).toMatchObject({ capacity: { capacityBytes: 2000 } });
    expect(await device.leases.list('gpu')).toMatchObject({ workerId: 'w2' });
  });

  it('a limit makes jobs wait that the device could hold without it', async () => {
    await device.leases.setLimit('gpu', 0);
    expect(await ask('a', needOf({ target: 1000 }))).toMatchObject(fullFor('ROOM'));
  });

  it('is refused on an unknown device', async () => {
    await device.setClock('other', START_MS);
    expect(await device.leases.setLimit('other', 1)).toEqual(refusedFor('UNKNOWN_DEVICE'));
    expect(await device.leases.list('other')).toBeUndefined();
  });
});

describe('a device whose worker went away', () => {
  it('returns its leases with their time to live, and is forgotten later', async () => {
    await take('a', needOf({ target: 100 }));
    await at(POLICY.deviceTtlMs + POLICY.forgetMs - 1);
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 1, forgotten: false });
    expect(await device.leases.list('gpu')).toMatchObject({ live: false, heldBytes: 0 });
    await at(POLICY.deviceTtlMs + POLICY.forgetMs);
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 0, forgotten: true });
    expect(await device.leases.list('gpu')).toBeUndefined();
    expect(await device.redis.exists(...device.leases.keysOf('gpu'))).toBe(0);
  });

  it('is remembered while a lease on it is renewed', async () => {
    const lease = await take('a', needOf({ target: 100 }));
    for (let ms = 0; ms <= POLICY.deviceTtlMs + POLICY.forgetMs; ms += 900) {
      await at(ms);
      await device.leases.renew(lease);
    }
    await at(POLICY.deviceTtlMs + POLICY.forgetMs);
    expect(await device.leases.sweep('gpu')).toEqual({ expired: 0, forgotten: false });
    expect(await held()).toBe(100);
  });

  it('is remembered while it has a limit', async () => {
    await device.leases.setLimit('gpu', 10);
    await at(10 * (POLICY.deviceTtlMs + POLICY.forgetMs));
    expect(await device.leases.sweep('gpu')).toMatchObject({ forgotten: false });
  });

  it('keeps what its leases hold when it is announced again', async () => {
    await take('a', needOf({ target: 100 }));
    expect(await device.leases.register({ deviceId: 'gpu', workerId: 'w', capacityBytes: 1000 })).toEqual({
      capacityBytes: 1000,
      heldBytes: 100,
      ttlMs: POLICY.deviceTtlMs,
    });
  });
});
