import { currentTraceId, recordedSpan, startTelemetry, withSpan, type Telemetry } from '@madakv/telemetry';
import { startFakeOtlpCollector, startRedis, type FakeOtlpCollector, type RedisServer } from '@madakv/testing';
import { FlowProducer, Queue, Worker, type FlowJob } from 'bullmq';
import { BullMQOtel } from 'bullmq-otel';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

/** What libs/queue relies on: BullMQ carries the trace of whoever adds a flow to the processors of all its jobs. */
let redis: RedisServer;
let collector: FakeOtlpCollector;
let telemetry: Telemetry;
let flows: FlowProducer;
let batches: Queue;
let workers: Worker[];
/** `queue:job id` -> trace id in the processor. */
const seen = new Map<string, string | undefined>();

beforeAll(async () => {
  redis = await startRedis();
  collector = await startFakeOtlpCollector();
  for (const [name, value] of Object.entries(collector.environment)) vi.stubEnv(name, value);
  telemetry = await startTelemetry({ serviceName: 's', serviceVersion: '1', instanceId: 'i' });
  const options = {
    connection: { port: redis.port },
    prefix: '{t}',
    telemetry: new BullMQOtel({ tracerName: 'madakv' }),
  };
  flows = new FlowProducer(options);
  batches = new Queue('batch', options);
  workers = ['batch', 'prepare.m', 'generate.m'].map(
    (queue) =>
      new Worker(
        queue,
        ({ id }) => {
          seen.set(`${queue}:${id ?? ''}`, currentTraceId());
          return Promise.resolve({});
        },
        options,
      ),
  );
});
afterAll(async () => {
  await Promise.all([flows, batches, ...workers].map((end) => end.close()));
  await telemetry.shutdown();
  await Promise.all([collector.stop(), redis.stop()]);
  vi.unstubAllEnvs();
});

function flow(jobId: string, opts: FlowJob['opts'] = {}): FlowJob {
  const own = { ...opts, jobId };
  const child = { name: 'prepare', queueName: 'prepare.m', data: {}, opts: own };
  return { name: 'generate', queueName: 'generate.m', data: {}, opts: own, children: [child] };
}

const tracesOf = (id: string): (string | undefined)[] =>
  ['prepare.m', 'generate.m'].map((queue) => seen.get(`${queue}:${id}`));

it('to child and parent of one flow, and of flows added in bulk', async () => {
  const [one, bulk] = [
    await withSpan('http', { of: 'POST /' }, async () => {
      await flows.add(flow('one'));
      return currentTraceId();
    }),
    await withSpan('expand', {}, async () => {
      await flows.addBulk([flow('a'), flow('b')]);
      return currentTraceId();
    }),
  ];
  expect(one).toMatch(/^[\da-f]{32}$/);
  await expect.poll(() => tracesOf('one')).toEqual([one, one]);
  for (const id of ['a', 'b']) await expect.poll(() => tracesOf(id)).toEqual([bulk, bulk]);
});

it('to jobs added in bulk to one queue', async () => {
  const traceId = await withSpan('http', { of: 'POST /v1/batches' }, async () => {
    await batches.addBulk([{ name: 'run', data: {}, opts: { jobId: 'batch_1' } }]);
    return currentTraceId();
  });
  expect(traceId).toMatch(/^[\da-f]{32}$/);
  await expect.poll(() => seen.get('batch:batch_1')).toBe(traceId);
});

it('or another one that the job names: a trace a line', async () => {
  const now = Date.now();
  const traceparent = recordedSpan('line', { root: true, startMs: now, endMs: now });
  const metadata = JSON.stringify({ traceparent });
  await withSpan('expand', {}, () => flows.addBulk([flow('line', { telemetry: { metadata } })]));
  const line = traceparent?.split('-')[1];
  expect(line).toMatch(/^[\da-f]{32}$/);
  await expect.poll(() => tracesOf('line')).toEqual([line, line]);
});
