import { startTelemetry, withSpan, type Telemetry } from '@madakv/telemetry';
import { startFakeOtlpCollector, startRedis, type FakeOtlpCollector, type RedisServer } from '@madakv/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { queueTelemetry } from '@madakv/queue';
import type { CollectedSpan } from '@madakv/testing';
import { startService, type RunningService } from './budget.services.js';
import { WorkerBench } from './worker.bench.js';

let redis: RedisServer;
let budget: RunningService;
let collector: FakeOtlpCollector;
let telemetry: Telemetry;
let bench: WorkerBench;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  collector = await startFakeOtlpCollector();
  for (const [name, value] of Object.entries(collector.environment)) vi.stubEnv(name, value);
  telemetry = await startTelemetry({ serviceName: 'madakv-worker', serviceVersion: '0', instanceId: 'w' });
  budget = await startService({ MADAKV_REDIS_URL: redis.url, ...collector.environment });
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port, telemetry: queueTelemetry() });
  await bench.startWorker();
});
afterAll(async () => {
  await bench.close();
  await budget.end('SIGTERM');
  await telemetry.shutdown();
  await Promise.all([collector.stop(), redis.stop()]);
  vi.unstubAllEnvs();
});

/** Names on the way from a span up to the root, itself first. BullMQ's own stand between. */
function pathOf(span: CollectedSpan, spans: readonly CollectedSpan[]): string[] {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  return [span.name, ...(parent === undefined ? [] : pathOf(parent, spans))];
}

it('says by what its memory is held', async () => {
  const kinds = ['resident', 'heap', 'buffers', 'kv', 'features', 'rows', 'pages', 'raster'];
  const found = () =>
    collector
      .points()
      .filter(({ metric }) => metric === 'madakv.worker.memory')
      .map(({ attributes }) => attributes['madakv.memory.kind']);
  await expect.poll(found).toEqual(expect.arrayContaining(kinds));
  const bytes = (kind: string) =>
    collector.points().find(({ attributes }) => attributes['madakv.memory.kind'] === kind)?.value ?? 0;
  expect(bytes('resident')).toBeGreaterThan(bytes('heap'));
  expect(bytes('heap')).toBeGreaterThan(0);
});

it('one trace from the request to its answer, through both jobs, the lease and the engine’s thread', async () => {
  const job = await withSpan('http', { of: 'POST /v1/chat/completions' }, () =>
    bench.chat({ messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }),
  );
  await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
  const { otelTraceId, cache } = await bench.traceOf(job);
  const wanted = [
    'queue prepare',
    'prepare tiny',
    'queue generate',
    'lease',
    'chat tiny',
    'prefill',
    'evict',
    'decode',
  ];
  const mine = () => collector.spans().filter(({ traceId }) => traceId === otelTraceId);
  await expect.poll(() => mine().map(({ name }) => name)).toEqual(expect.arrayContaining([...wanted, 'finalize']));
  // Spans of a job end after those within it, and come when they have ended.
  const connected = () =>
    [...wanted, 'finalize'].filter((name) => {
      const span = mine().find((found) => found.name === name);
      return span !== undefined && pathOf(span, mine()).includes('POST /v1/chat/completions');
    });
  await expect.poll(connected).toEqual([...wanted, 'finalize']);
  const spans = mine();
  const prefill = spans.find(({ name }) => name === 'prefill');
  expect(prefill === undefined ? [] : pathOf(prefill, spans)).toContain('chat tiny');
  expect(prefill?.events.map(({ name, attributes }) => [name, attributes['madakv.layer.index']])).toEqual(
    cache.layers.map(({ layer }) => ['madakv.layer', layer]),
  );
  const chat = spans.find(({ name }) => name === 'chat tiny');
  expect(chat?.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'tiny',
    'gen_ai.usage.output_tokens': 4,
    'madakv.cache.peak_bytes': cache.bytes.peak,
  });
  expect(chat?.events.map(({ name }) => name)).toEqual(['madakv.first_token']);
  await expect
    .poll(() => mine().find(({ name }) => name === 'madakv.budget.v1.MemoryBudget/Acquire'))
    .toMatchObject({ parentSpanId: spans.find(({ name }) => name === 'lease')?.spanId });
  await expect
    .poll(() => collector.points().map(({ metric }) => metric))
    .toEqual(
      expect.arrayContaining([
        'gen_ai.server.request.duration',
        'gen_ai.server.time_to_first_token',
        'madakv.cache.kept',
        'madakv.queue.wait',
        'madakv.lease.wait',
      ]),
    );
});
