import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needOf } from './budget.fixture.js';
import { deviceOf, gpu, leaseOf, request, startService, TestServices, type RunningService } from './budget.services.js';

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
    expect(await client.call('queryDemand', {})).toEqual({ ...nothing, bytesPerDevice: 0, wantedDevices: 0 });
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
    const expected = { ...demand, bytesPerDevice: 1000, wantedDevices: 2 };
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
    const settings = fresh({ MADAKV_BUDGET_LEASE_TTL_MS: '1000', MADAKV_BUDGET_SWEEP_MS: '50' });
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
