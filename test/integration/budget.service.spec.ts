import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needOf } from './budget.fixture.js';
import {
  deviceOf,
  gpu,
  leaseOf,
  request,
  startService,
  statusOf,
  TestServices,
  type RunningService,
} from './budget.services.js';

const services = new TestServices();
const { fresh, start } = services;

describe('over gRPC', () => {
  it('a lease lives from acquire to release', async () => {
    const { client } = await start(fresh());
    expect(await client.call('registerDevice', gpu)).toEqual({ capacityBytes: 1000, heldBytes: 0, ttlMs: 30_000 });
    const need = needOf({ target: 300, min: 100, transient: 200, full: 1200 });
    const reply = await client.call('acquire', { ...request('j'), need });
    expect(reply).toMatchObject({ outcome: 'granted', granted: { bytes: 500, grantedBytes: 300, cacheRatio: 0.25 } });
    const lease = leaseOf(reply);
    expect(Math.abs(lease.fencingToken - Date.now())).toBeLessThan(10_000);
    expect(await client.call('resize', { lease, bytes: 250 })).toMatchObject({ outcome: 'held', held: { bytes: 250 } });
    expect(await client.call('renew', { lease })).toMatchObject({ outcome: 'held', held: { ttlMs: 30_000 } });
    expect(await deviceOf(client)).toMatchObject({
      workerId: 'w1',
      live: true,
      heldBytes: 250,
      leases: [{ leaseId: lease.leaseId, jobId: 'j', tenant: 't', bytes: 250, grantedBytes: 300, peakBytes: 500 }],
      waiting: [],
    });
    expect(await client.call('release', { lease })).toEqual({ outcome: 'released', released: { bytes: 250 } });
    expect(await deviceOf(client)).toMatchObject({ heldBytes: 0, leases: [] });
  });

  it('every other outcome comes through as a value', async () => {
    const { client } = await start(fresh());
    await client.call('registerDevice', gpu);
    const lease = leaseOf(await client.call('acquire', request('a', 1000)));
    expect(await client.call('acquire', request('b'))).toEqual({
      outcome: 'full',
      full: { reason: 'ROOM', retryAfterMs: 100, position: 1, waitTtlMs: 5_100 },
    });
    expect(await client.call('acquire', { ...request('b'), deviceId: 'nowhere' })).toEqual({
      outcome: 'refused',
      refused: { reason: 'UNKNOWN_DEVICE' },
    });
    const stale = { ...lease, fencingToken: 1 };
    expect(await client.call('renew', { lease: stale })).toEqual({
      outcome: 'refused',
      refused: { reason: 'STALE_TOKEN' },
    });
    expect(await client.call('resize', { lease, bytes: 1001 })).toMatchObject({ refused: { reason: 'OVER_PEAK' } });
    expect(await client.call('setCapacity', { deviceId: 'gpu', limitBytes: 0 })).toEqual({
      outcome: 'capacity',
      capacity: { capacityBytes: 0, heldBytes: 1000 },
    });
    expect(await client.call('setCapacity', { deviceId: 'gpu' })).toMatchObject({ capacity: { capacityBytes: 1000 } });
  });

  it('what is impossible names this device and the largest', async () => {
    const { client } = await start(fresh());
    await client.call('registerDevice', gpu);
    await client.call('registerDevice', { deviceId: 'large', workerId: 'w2', capacityBytes: 5000 });
    expect(await client.call('acquire', request('j', 2000))).toEqual({
      outcome: 'impossible',
      impossible: {
        neededBytes: 2000,
        deviceId: 'gpu',
        capacityBytes: 1000,
        largestDeviceId: 'large',
        largestCapacityBytes: 5000,
      },
    });
  });

  it('a script that fails is a defect, not something to try again', async () => {
    const settings = fresh();
    const { client, output } = await start(settings);
    await client.call('registerDevice', gpu);
    const redis = new Redis(services.redis.url);
    await redis.set(`${settings['MADAKV_BUDGET_KEY_PREFIX']}:{gpu}:leases`, 'not a hash');
    redis.disconnect();
    await expect(client.call('acquire', request('j'))).rejects.toMatchObject({
      code: 'internal_error',
      retryable: false,
    });
    expect(output()).toContain('WRONGTYPE');
  });

  it('demand counts queued and held bytes, and a grant takes its job out of the queue', async () => {
    const { client, httpUrl } = await start(fresh());
    const nothing = { queuedBytes: 0, queuedJobs: 0, heldBytes: 0, capacityBytes: 0, liveDevices: 0 };
    const figures = { bytesPerDevice: 0, wantedDevices: 0, demandBytes: 0 };
    expect(await client.call('queryDemand', {})).toEqual({ ...nothing, ...figures });
    await client.call('registerDevice', gpu);
    for (const [jobId, bytes] of [
      ['a', 600],
      ['b', 900],
      ['c', 700],
      ['b', 800],
    ] as const) {
      await client.call('publishDemand', { jobId, bytes });
    }
    await client.call('publishDemand', { jobId: 'c', bytes: 0 });
    await client.call('acquire', request('a', 600));
    const demand = { queuedBytes: 800, queuedJobs: 1, heldBytes: 600, capacityBytes: 1000, liveDevices: 1 };
    const expected = { ...demand, bytesPerDevice: 1000, wantedDevices: 2, demandBytes: 1400 };
    expect(await client.call('queryDemand', {})).toEqual(expected);
    expect(await (await fetch(`${httpUrl}/demand`)).json()).toEqual(expected);
  });

  it('what a device holds is still known for the demand when none is left', async () => {
    const { client } = await start(
      fresh({ MADAKV_BUDGET_DEVICE_TTL_MS: '50', MADAKV_BUDGET_FORGET_MS: '0', MADAKV_BUDGET_SWEEP_MS: '20' }),
    );
    await client.call('registerDevice', gpu);
    await client.call('publishDemand', { jobId: 'a', bytes: 2500 });
    await expect.poll(async () => (await client.call('list', {})).devices).toEqual([]);
    expect(await client.call('queryDemand', {})).toMatchObject({
      liveDevices: 0,
      bytesPerDevice: 1000,
      wantedDevices: 3,
    });
  });

  it("a model's demand is that of its jobs and devices, and of those that do not say", async () => {
    const settings = fresh();
    const [{ client, httpUrl }, other] = await Promise.all([start(settings), start(settings)]);
    await client.call('registerDevice', { ...gpu, model: 'large' });
    await client.call('registerDevice', { ...gpu, deviceId: 'cpu', capacityBytes: 400, model: 'small' });
    for (const [jobId, bytes, model] of [
      ['a', 900, 'large'],
      ['b', 700, 'small'],
      ['c', 50, undefined],
      ['d', 1, 'small'],
      ['d', 300, 'small'],
    ] as const) {
      await other.client.call('publishDemand', { jobId, bytes, ...(model === undefined ? {} : { model }) });
    }
    await other.client.call('acquire', { ...request('b', 200), deviceId: 'cpu' });
    const small = { queuedBytes: 350, queuedJobs: 2, heldBytes: 200, demandBytes: 550 };
    const of = async (path: string): Promise<unknown> => (await fetch(`${httpUrl}/demand${path}`)).json();
    expect(await of('/small')).toMatchObject({ ...small, liveDevices: 1, bytesPerDevice: 400, wantedDevices: 2 });
    expect(await of('/large')).toMatchObject({
      queuedBytes: 950,
      heldBytes: 0,
      bytesPerDevice: 1000,
      wantedDevices: 1,
    });
    expect(await of('/none')).toMatchObject({ queuedBytes: 50, queuedJobs: 1, heldBytes: 0, liveDevices: 0 });
    expect(await of('')).toMatchObject({ queuedBytes: 1250, queuedJobs: 3, demandBytes: 1450, liveDevices: 2 });
    expect(await other.client.call('queryDemand', { model: 'small' })).toMatchObject(small);
    expect(await statusOf(`${httpUrl}/demand/a%20b`)).toBe(404);
  });

  it('who is told to wait is demand, also after a grant that came to nothing; what was stated stays as it is', async () => {
    const { client } = await start(fresh());
    await client.call('registerDevice', { ...gpu, model: 'm' });
    await client.call('publishDemand', { jobId: 'a', bytes: 600, model: 'm' });
    const lease = leaseOf(await client.call('acquire', request('a', 600)));
    await client.call('release', { lease });
    expect(await client.call('queryDemand', { model: 'm' })).toMatchObject({ queuedJobs: 0, demandBytes: 0 });
    await client.call('acquire', request('b', 1000));
    await client.call('publishDemand', { jobId: 'c', bytes: 70, model: 'm' });
    for (const jobId of ['a', 'a', 'c']) {
      expect(await client.call('acquire', request(jobId, 500))).toMatchObject({ outcome: 'full' });
    }
    const waiting = { queuedJobs: 2, queuedBytes: 570, heldBytes: 1000, demandBytes: 1570, wantedDevices: 2 };
    expect(await client.call('queryDemand', { model: 'm' })).toMatchObject(waiting);
    await client.call('publishDemand', { jobId: 'a', bytes: 0 });
    expect(await client.call('queryDemand', {})).toMatchObject({ queuedJobs: 1, queuedBytes: 70 });
  });

  it('demand is for whoever shows the token, where there is one; health is for all', async () => {
    const { httpUrl, output } = await start(fresh({ MADAKV_BUDGET_DEMAND_TOKEN: 'a token of sixteen' }));
    const ask = async (authorization?: string): Promise<number> =>
      (await fetch(`${httpUrl}/demand/m`, authorization === undefined ? {} : { headers: { authorization } })).status;
    expect([await ask(), await ask('Bearer wrong'), await ask('Basic a token of sixteen')]).toEqual([401, 401, 401]);
    expect(await ask('Bearer a token of sixteen')).toBe(200);
    expect(await statusOf(`${httpUrl}/livez`)).toBe(200);
    expect(await statusOf(`${httpUrl}/readyz`)).toBe(200);
    expect(output()).not.toContain('sixteen');
  });
});

describe('an invalid request', () => {
  let service: RunningService;
  beforeAll(async () => {
    service = await startService(fresh());
  });
  afterAll(() => service.end('SIGKILL'));

  it.each([
    ['an empty job id', { ...request('') }, 'jobId: expected 1 to 128 letters'],
    ['a device id with braces', { ...request('j'), deviceId: '{a}' }, 'deviceId: expected 1 to 128 letters'],
    ['no need', { ...request('j'), need: undefined }, 'need: '],
    [
      'a minimum above the target',
      { ...request('j'), need: { ...needOf({ target: 5 }), minBytes: 6 } },
      'need.minBytes: expected min <= target',
    ],
    [
      'a target above the peak',
      { ...request('j'), need: { ...needOf({ target: 5 }), peakBytes: 4 } },
      'need.targetBytes: expected target <= peak',
    ],
  ])('is one with %s', async (_what, message, explanation) => {
    const failure = service.client.call('acquire', message as ReturnType<typeof request>);
    await expect(failure).rejects.toMatchObject({ code: 'invalid_request', retryable: false });
    await expect(failure).rejects.toThrow(explanation);
  });
});

describe('time', () => {
  it("a lease ends by Redis's clock unless it is renewed, swept although nobody asks", async () => {
    const settings = fresh({ MADAKV_BUDGET_LEASE_TTL_MS: '3000', MADAKV_BUDGET_SWEEP_MS: '50' });
    const { client, output } = await start(settings);
    for (const deviceId of ['gpu', 'busy']) await client.call('registerDevice', { ...gpu, deviceId });
    await client.call('acquire', request('left'));
    const kept = leaseOf(await client.call('acquire', { ...request('kept'), deviceId: 'busy' }), 'busy');
    await expect
      .poll(
        async () => {
          expect(await client.call('renew', { lease: kept })).toMatchObject({ outcome: 'held' });
          return output().includes('leases expired');
        },
        { interval: 50 },
      )
      .toBe(true);
    expect(await deviceOf(client)).toMatchObject({ heldBytes: 0, expiredLeases: 1, leases: [] });
  });
});
