import { MadakvError, PreparedRequestSchema, storeKeys, type ChatCompletion } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startService, type RunningService } from './budget.services.js';
import { FakeEngine } from './worker.fake.engine.js';
import { roomyCheckpoint, WorkerBench, type TestWorker } from './worker.bench.js';

const schema = {
  type: 'object',
  properties: {
    number: { type: 'string', title: 'Invoice number' },
    total: { type: 'number', title: 'Total' },
    due: { type: ['string', 'null'], format: 'date', title: 'Due date' },
  },
  required: ['number', 'total', 'due'],
};
const extraction = {
  messages: [{ role: 'user' as const, content: 'Invoice HT-4827 of 3 May 2024. Total: £1,246.32.' }],
  response_format: { type: 'json_schema' as const, json_schema: { name: 'invoice', schema } },
  madakv: { extract: true },
};

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;
let engine: FakeEngine;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url });
});
afterAll(async () => {
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  engine = new FakeEngine();
});
afterEach(() => bench.close());

function startWorker(): Promise<TestWorker> {
  return bench.startWorker(
    { MADAKV_MODEL: roomyCheckpoint(bench.folder), MADAKV_GRACE_MS: '0' },
    { startEngine: () => Promise.resolve(engine) },
  );
}

describe('a request that extracts', () => {
  it('asks a question a field under one lease, and is answered by the object they make', async () => {
    await startWorker();
    const job = await bench.chat(extraction);
    const ids = [job.requestId, `${job.requestId}.2`, `${job.requestId}.3`];
    await expect.poll(() => engine.running).toEqual(ids);
    engine.finish(ids[1], '£1,246.32');
    engine.finish(ids[0], 'HT-4827');
    engine.finish(ids[2], 'not stated');
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    const { choices, usage, madakv } = (await bench.answerOf(job))?.body as ChatCompletion;
    expect(JSON.parse(choices[0].message.content)).toEqual({ number: 'HT-4827', total: 1246.32, due: null });
    expect(madakv.fields?.map(({ name, answer, trace_id }) => [name, answer, trace_id])).toEqual([
      ['number', 'HT-4827', ids[0]],
      ['total', '£1,246.32', ids[1]],
      ['due', 'not stated', ids[2]],
    ]);
    const traces = await Promise.all(ids.map((requestId) => bench.traceOf({ ...job, requestId })));
    expect(traces.map(({ id }) => id)).toEqual(ids);
    expect(new Set(traces.map(({ lease }) => lease.leaseId)).size).toBe(1);
    expect(traces.map(({ lease }) => lease.requests)).toEqual([3, 3, 3]);
    expect(traces[0].lease.events.at(-1)).toMatchObject({ event: 'released' });
    expect(usage.completion_tokens).toBe(3);
    expect(usage.prompt_tokens).toBe(traces.reduce((sum, trace) => sum + trace.usage.promptTokens, 0));
    expect(madakv.bytes.full).toBe(traces.reduce((sum, { cache }) => sum + cache.bytes.full, 0));
  });

  it('fails as a whole where one of its questions does, and the others stop', async () => {
    await startWorker();
    const job = await bench.chat(extraction);
    await expect.poll(() => engine.running).toHaveLength(3);
    engine.finish(job.requestId);
    engine.fail(`${job.requestId}.2`, new MadakvError('invalid_document', 'no image', { param: 'messages.0' }));
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 400 });
    expect(engine.running).toEqual([]);
    expect((await bench.failureOf(job)).error).toMatchObject({ code: 'invalid_document', param: 'messages.0' });
    expect(await bench.store.head(storeKeys.trace(`${job.requestId}.2`))).toBeUndefined();
  });

  it('counts once for an engine that dies over it, however many questions it has', async () => {
    await startWorker();
    const job = await bench.chat(extraction);
    await expect.poll(() => engine.running).toHaveLength(3);
    for (const id of engine.running) engine.fail(id, new MadakvError('engine_crashed', 'the thread died'));
    await expect.poll(() => engine.running).toHaveLength(3);
    for (const id of engine.running) engine.finish(id, '1');
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    expect(await bench.traceOf(job)).toMatchObject({ attempt: 2 });
  });

  it('waits for the room of a later round, and keeps the answers that it has', async () => {
    const device = { deviceId: 'narrow' };
    await bench.startWorker(
      {
        MADAKV_MODEL: roomyCheckpoint(bench.folder),
        MADAKV_DEVICE_ID: device.deviceId,
        MADAKV_DEVICE_CAPACITY_BYTES: '800000',
      },
      { startEngine: () => Promise.resolve(engine) },
    );
    const job = await bench.chat(extraction);
    await expect.poll(() => engine.running).not.toEqual([]);
    const first = [...engine.running];
    expect(first.length).toBeLessThan(3);
    // An operator takes all room away for a while.
    await budget.client.call('setCapacity', { ...device, limitBytes: 0 });
    for (const id of first) engine.finish(id, '1');
    const waiting = async () => (await budget.client.call('list', device)).devices[0].waiting.length;
    await expect.poll(waiting).toBeGreaterThan(0);
    expect(await bench.answerOf(job)).toBeUndefined();
    engine.onBegin = (id) => {
      engine.finish(id, '1');
    };
    await budget.client.call('setCapacity', device);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    expect([...engine.begun].sort()).toEqual(['', '.2', '.3'].map((end) => `${job.requestId}${end}`));
  });

  it('is asked in rounds where a device has no room for all its questions at a time', async () => {
    engine.onBegin = (id) => {
      engine.finish(id, '1');
    };
    await bench.startWorker(
      {
        MADAKV_MODEL: roomyCheckpoint(bench.folder),
        MADAKV_DEVICE_ID: 'small',
        MADAKV_DEVICE_CAPACITY_BYTES: '800000',
      },
      { startEngine: () => Promise.resolve(engine) },
    );
    const job = await bench.chat(extraction);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    const traces = await Promise.all(
      ['', '.2', '.3'].map((end) => bench.traceOf({ ...job, requestId: `${job.requestId}${end}` })),
    );
    expect(new Set(traces.map(({ lease }) => lease.fencingToken)).size).toBeGreaterThan(1);
    for (const { lease } of traces) expect(lease.events[0].bytes).toBeLessThanOrEqual(800_000);
  });

  it('counts as demand with all its questions while it waits', async () => {
    await bench.startWorker({ MADAKV_MODEL: roomyCheckpoint(bench.folder), MADAKV_WORKER_ROLES: 'prepare' });
    const job = await bench.chat(extraction);
    const key = storeKeys.prepared(job.requestId);
    await expect.poll(() => bench.store.head(key)).toBeDefined();
    const { extraction: fields, ...first } = PreparedRequestSchema.parse(
      JSON.parse(await text(await bench.store.get(key))),
    );
    const all = [first, ...(fields?.others ?? [])];
    expect(all).toHaveLength(3);
    const bytes = all.reduce((sum, { fullBytes, cacheRatio }) => sum + Math.ceil(fullBytes * cacheRatio), 0);
    await expect.poll(async () => (await budget.client.call('queryDemand', {})).queuedBytes).toBe(bytes);
  });

  it('is refused before anything is read where its schema has nothing to ask for', async () => {
    await startWorker();
    const empty = { ...extraction.response_format, json_schema: { name: 'x', schema: { type: 'object' } } };
    const job = await bench.chat({ ...extraction, response_format: empty });
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 400 });
    expect((await bench.failureOf(job)).error).toMatchObject({
      stage: 'prepare',
      param: expect.stringMatching(/^response_format\.json_schema\.schema/) as string,
    });
    expect(engine.begun).toEqual([]);
  });
});
