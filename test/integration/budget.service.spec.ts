import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetClient } from '@madakv/budget-client';
import { MadakvError, type BudgetReply, type LeaseRef } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildService, needOf, spawnService, startService, statusOf, type RunningService } from './budget.fixture.js';

let server: RedisServer;
beforeAll(async () => {
  buildService();
  server = await startRedis({ appendOnly: true });
});
afterAll(() => server.stop());

const running: RunningService[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.end('SIGKILL')));
});

let tests = 0;
/** Settings under which each test has keys of its own. */
function fresh(settings: Record<string, string> = {}): Record<string, string> {
  return { MADAKV_REDIS_URL: server.url, MADAKV_BUDGET_KEY_PREFIX: `s${++tests}`, ...settings };
}
async function start(settings: Record<string, string>, port?: number): ReturnType<typeof startService> {
  const service = await startService(settings, port);
  running.push(service);
  return service;
}

const gpu = { deviceId: 'gpu', workerId: 'w1', capacityBytes: 1000 };
const request = (jobId: string, target = 100) => ({
  deviceId: 'gpu',
  jobId,
  holder: 'w1',
  tenant: 't',
  need: needOf({ target }),
});

function leaseOf(reply: BudgetReply<'acquire'>): LeaseRef {
  if (reply.outcome !== 'granted') throw new Error(`expected a grant, got ${JSON.stringify(reply)}`);
  return { deviceId: 'gpu', leaseId: reply.granted.leaseId, fencingToken: reply.granted.fencingToken };
}

async function deviceOf(client: BudgetClient): Promise<BudgetReply<'list'>['devices'][number]> {
  const device = (await client.call('list', { deviceId: 'gpu' })).devices.at(0);
  if (device === undefined) throw new Error('the device is unknown');
  return device;
}

/** Calls again until the service answers, and returns that answer. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof MadakvError && error.code === 'budget_unavailable') || attempt > 200) throw error;
      await sleep(50);
    }
  }
}

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
      full: { reason: 'ROOM', retryAfterMs: 250, position: 1, waitTtlMs: 5_250 },
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
  it("a lease ends by Redis's clock, swept although nobody asks", async () => {
    const settings = fresh({ MADAKV_BUDGET_LEASE_TTL_MS: '300', MADAKV_BUDGET_SWEEP_MS: '50' });
    const { client, output } = await start(settings);
    await client.call('registerDevice', gpu);
    const kept = leaseOf(await client.call('acquire', request('kept')));
    await client.call('acquire', request('left'));
    await expect
      .poll(
        async () => {
          await client.call('renew', { lease: kept });
          return output().includes('leases expired');
        },
        { interval: 50, timeout: 5_000 },
      )
      .toBe(true);
    expect(await deviceOf(client)).toMatchObject({ heldBytes: 100, expiredLeases: 1, leases: [{ jobId: 'kept' }] });
  });
});

describe('processes', () => {
  it('a killed service comes back with every lease, and the client by itself', async () => {
    const settings = fresh();
    const first = await start(settings);
    const client = new BudgetClient({ address: `127.0.0.1:${first.port}`, maxReconnectMs: 200 });
    await client.call('registerDevice', gpu);
    const lease = leaseOf(await client.call('acquire', request('j', 600)));
    await first.end('SIGKILL');
    await expect(client.call('renew', { lease })).rejects.toMatchObject({
      code: 'budget_unavailable',
      retryable: true,
    });
    await start(settings, first.port);
    expect(await patiently(() => client.call('renew', { lease }))).toMatchObject({ outcome: 'held' });
    expect(await client.call('acquire', request('k', 401))).toMatchObject({ outcome: 'full' });
    expect(await client.call('release', { lease })).toEqual({ outcome: 'released', released: { bytes: 600 } });
    client.close();
  });

  it('two replicas never grant more than the capacity between them', async () => {
    const settings = fresh();
    const replicas = await Promise.all([start(settings), start(settings)]);
    await Promise.all(replicas.map(({ client }) => client.call('registerDevice', gpu)));
    const replies = await Promise.all(
      Array.from({ length: 60 }, (_, i) => replicas[i % 2 === 0 ? 0 : 1].client.call('acquire', request(`j${i}`, 90))),
    );
    const leases = replies.filter((reply) => reply.outcome === 'granted').map(leaseOf);
    expect(leases).toHaveLength(11);
    expect(new Set(leases.map((lease) => lease.fencingToken)).size).toBe(11);
    expect(replies.filter((reply) => reply.outcome === 'full')).toHaveLength(49);
    for (const [i, lease] of leases.entries()) {
      await replicas[i % 2 === 0 ? 1 : 0].client.call('release', { lease });
    }
    expect(await deviceOf(replicas[0].client)).toMatchObject({ heldBytes: 0 });
  });

  it('the same lease asked for through both replicas at once is one lease', async () => {
    const settings = fresh();
    const replicas = await Promise.all([start(settings), start(settings)]);
    await replicas[0].client.call('registerDevice', gpu);
    const replies = await Promise.all(replicas.map(({ client }) => client.call('acquire', request('j', 300))));
    expect(replies.map((reply) => leaseOf(reply).fencingToken)).toHaveLength(2);
    expect(leaseOf(replies[0])).toEqual(leaseOf(replies[1]));
    expect(await deviceOf(replicas[1].client)).toMatchObject({ heldBytes: 300 });
  });

  it('a Redis killed and started again keeps leases through its append-only file; the service recovers', async () => {
    const { client, httpUrl } = await start(fresh());
    await client.call('registerDevice', gpu);
    const lease = leaseOf(await client.call('acquire', request('j', 600)));
    const back = server.restart();
    await expect(client.call('renew', { lease })).rejects.toMatchObject({ code: 'budget_unavailable' });
    await back;
    expect(await patiently(() => client.call('renew', { lease }))).toMatchObject({
      outcome: 'held',
      held: { bytes: 600 },
    });
    await expect.poll(() => statusOf(`${httpUrl}/readyz`)).toBe(200);
  });

  it('lives but is not ready without Redis, and answers that it cannot', async () => {
    const own = await startRedis();
    const { client, httpUrl } = await start(fresh({ MADAKV_REDIS_URL: own.url }));
    await own.stop();
    await expect.poll(() => statusOf(`${httpUrl}/readyz`)).toBe(503);
    expect(await statusOf(`${httpUrl}/livez`)).toBe(200);
    expect(await statusOf(`${httpUrl}/demand`)).toBe(503);
    expect(await statusOf(`${httpUrl}/else`)).toBe(404);
    await expect(client.call('list', {})).rejects.toMatchObject({ code: 'budget_unavailable' });
  });

  it('warns of a Redis that forgets', async () => {
    const own = await startRedis();
    const { output } = await start(fresh({ MADAKV_REDIS_URL: own.url }));
    await expect.poll(output).toContain('leases are forgotten when Redis restarts');
    await own.stop();
  });

  it('ends in order on SIGTERM, and logs one JSON object a line', async () => {
    const service = await start(fresh());
    await service.client.call('registerDevice', gpu);
    expect(await service.end('SIGTERM')).toBe('SIGTERM');
    const lines = service.output().trim().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ message: expect.anything() as unknown });
    expect(service.output()).not.toContain('"level":"error"');
  });

  it('does not start on a bad environment, and says which variable and what was expected', async () => {
    const child = spawnService({ MADAKV_BUDGET_PORT: 'grpc', MADAKV_BUDGET_TENANT_SHARES: '{"a":2}' });
    let output = '';
    child.stderr?.on('data', (piece) => (output += String(piece)));
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(2);
    expect(output).toBe(
      'MADAKV_BUDGET_PORT: expected a whole number from 1 to 65535, got "grpc"\n' +
        'MADAKV_BUDGET_TENANT_SHARES: expected a JSON object of tenant to a share from 0 to 1, "*" for all others, got "{\\"a\\":2}"\n',
    );
  });
});
