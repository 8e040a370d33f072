import { BudgetClient } from '@madakv/budget-client';
import { startFakeOtlpCollector, type FakeOtlpCollector } from '@madakv/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { gpu, leaseOf, request, TestServices } from './budget.services.js';

const services = new TestServices();
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const METHOD = 'madakv.budget.v1.MemoryBudget';

let collector: FakeOtlpCollector;
beforeEach(async () => {
  collector = await startFakeOtlpCollector();
});
afterEach(() => collector.stop());

it("a call's span is a child of the caller's; a call without a trace has none", async () => {
  const service = await services.start(services.fresh(collector.environment));
  const callers: string[] = [];
  const client = new BudgetClient({
    address: `127.0.0.1:${service.port}`,
    deadlineMs: 30_000,
    traceparent: () => callers.at(-1),
  });
  await client.call('registerDevice', gpu);
  callers.push(`00-${TRACE}-b7ad6b7169203331-01`);
  const lease = leaseOf(await client.call('acquire', request('job-1', 600)));
  await client.call('acquire', request('job-2', 600));
  await client.call('release', { lease });
  await expect(client.call('acquire', request(''))).rejects.toMatchObject({ code: 'invalid_request' });
  client.close();
  await service.end('SIGTERM');

  const spans = collector.spans();
  expect(spans.map(({ name }) => name)).toEqual([
    `${METHOD}/Acquire`,
    `${METHOD}/Acquire`,
    `${METHOD}/Release`,
    `${METHOD}/Acquire`,
  ]);
  for (const span of spans) {
    expect(span).toMatchObject({ traceId: TRACE, parentSpanId: 'b7ad6b7169203331', kind: 2 });
    expect(span.resource).toMatchObject({ 'service.name': 'madakv-budget', 'service.version': '0.1.0' });
  }
  expect(spans[0].attributes).toEqual({
    'rpc.system.name': 'grpc',
    'rpc.method': `${METHOD}/Acquire`,
    'rpc.status_code': 'OK',
    'madakv.job.id': 'job-1',
    'madakv.device.id': 'gpu',
    'madakv.tenant': 't',
    'madakv.lease.id': lease.leaseId,
    'madakv.lease.fencing_token': lease.fencingToken,
    'madakv.lease.bytes': 600,
    'madakv.lease.granted_bytes': 600,
    'madakv.lease.cache_ratio': 0.25,
    'madakv.lease.outcome': 'granted',
  });
  expect(spans[1].attributes).toMatchObject({ 'madakv.lease.outcome': 'full', 'madakv.lease.reason': 'ROOM' });
  expect(spans[2].attributes).toMatchObject({ 'madakv.lease.outcome': 'released', 'madakv.lease.id': lease.leaseId });
  expect(spans[3]).toMatchObject({
    status: { code: 2 },
    attributes: { 'error.type': 'invalid_request', 'rpc.status_code': 'INVALID_ARGUMENT' },
  });
});

it('leases and demand are metrics, without the ids of jobs', async () => {
  const service = await services.start(
    services.fresh({ ...collector.environment, MADAKV_BUDGET_LEASE_TTL_MS: '100', MADAKV_BUDGET_SWEEP_MS: '50' }),
  );
  await service.client.call('registerDevice', gpu);
  await service.client.call('publishDemand', { jobId: 'job-9', bytes: 1500 });
  const shown = (): Record<string, number> =>
    Object.fromEntries(collector.points().map(({ metric, value }) => [metric, value]));
  await expect.poll(shown).toMatchObject({
    'madakv.device.capacity': 1000,
    'madakv.device.waiting': 0,
    'madakv.demand.queued': 1500,
    'madakv.demand.wanted_devices': 2,
  });
  await service.client.call('acquire', request('job-1', 600));
  await service.client.call('acquire', { ...request('job-2'), deviceId: 'nowhere' });
  await expect.poll(shown).toMatchObject({ 'madakv.lease.expired': 1, 'madakv.lease.cache_ratio': 0.25 });
  await expect.poll(shown).toMatchObject({ 'madakv.device.held': 0, 'madakv.device.leases': 0 });

  const durations = (): unknown =>
    collector
      .points()
      .filter(({ metric }) => metric === 'madakv.lease.operation.duration')
      .map(({ count, attributes }) => [count, attributes]);
  await expect.poll(durations).toEqual([
    [1, { 'madakv.lease.operation': 'acquire', 'madakv.lease.outcome': 'granted' }],
    [1, { 'madakv.lease.operation': 'acquire', 'madakv.lease.outcome': 'refused' }],
  ]);
  const points = collector.points();
  expect(points.find((point) => point.metric === 'madakv.device.capacity')?.attributes).toEqual({
    'madakv.device.id': 'gpu',
  });
  expect(JSON.stringify(points)).not.toContain('job-');
});
