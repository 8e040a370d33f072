import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetClient } from '@madakv/budget-client';
import { MadakvError } from '@madakv/contracts';
import { startRedis } from '@madakv/testing';
import { describe, expect, it } from 'vitest';
import { deviceOf, gpu, leaseOf, request, spawnService, statusOf, TestServices } from './budget.services.js';

const services = new TestServices();
const { fresh, start } = services;

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

describe('processes', () => {
  it('a killed service comes back with every lease, and the client by itself', async () => {
    const settings = fresh();
    const first = await start(settings);
    const client = new BudgetClient({ address: `127.0.0.1:${first.port}`, deadlineMs: 10_000, maxReconnectMs: 200 });
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
    const leases = replies.filter((reply) => reply.outcome === 'granted').map((reply) => leaseOf(reply));
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
    const back = services.redis.restart();
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
