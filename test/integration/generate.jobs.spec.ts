import { MadakvError, newId, type ErrorBody, type RequestJob } from '@madakv/contracts';
import type { BudgetClient } from '@madakv/budget-client';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startService, statusOf, takeMemory, type RunningService } from './budget.services.js';
import { settlementOf } from './settlement.fixture.js';
import { FakeEngine } from './worker.fake.engine.js';
import { MODEL, WorkerBench, type TestWorker } from './worker.bench.js';

const question = (text: string) => ({ messages: [{ role: 'user' as const, content: text }], max_tokens: 8 });
/** How long a lease lives by itself. */
const LEASE_MS = 5_000;

const hello = question('Say hello, and say it in as many words as it takes.');

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;
let engine: FakeEngine;
let device: string;
let tests = 0;
const budgetSettings = (): Record<string, string> => ({
  MADAKV_REDIS_URL: redis.url,
  MADAKV_BUDGET_LEASE_TTL_MS: String(LEASE_MS),
});

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService(budgetSettings());
});
afterAll(async () => {
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  engine = new FakeEngine();
  device = `gpu-${++tests}`;
});
afterEach(() => bench.close());

function startWorker(changes: Record<string, string> = {}, own = engine): Promise<TestWorker> {
  return bench.startWorker(
    { MADAKV_DEVICE_ID: device, MADAKV_GRACE_MS: '0', ...changes },
    { startEngine: () => Promise.resolve(own) },
  );
}

async function leasesOn(client: BudgetClient): Promise<{ jobId: string; bytes: number }[]> {
  const { devices } = await client.call('list', { deviceId: device });
  return devices.flatMap(({ leases }) => leases.map(({ jobId, bytes }) => ({ jobId, bytes })));
}

const errorOf = (body: unknown): ErrorBody['error'] => (body as ErrorBody).error;

/** A device that is taken whole until it is given back. */
async function fillDevice(capacityBytes: number): Promise<{ release: () => Promise<void> }> {
  await budget.client.call('registerDevice', { deviceId: device, workerId: 'other', capacityBytes });
  return takeMemory(budget.client, device, capacityBytes);
}

describe('a lease', () => {
  it('covers a request while it runs, shrinks after eviction, and is given back', async () => {
    await startWorker();
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    const [held] = await leasesOn(budget.client);
    engine.evict(job.requestId, 700);
    await expect.poll(() => leasesOn(budget.client)).toEqual([{ jobId: job.requestId, bytes: 700 }]);
    expect(held.bytes).toBeGreaterThan(700);
    engine.finish(job.requestId);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    expect(await leasesOn(budget.client)).toEqual([]);
    const { lease } = await bench.traceOf(job);
    expect(lease.events.map(({ event, bytes }) => [event, bytes])).toEqual([
      ['granted', held.bytes],
      ['resized', 700],
      ['released', 0],
    ]);
    await expect.poll(() => bench.generateJob(job)).toBeUndefined();
  });

  it('is renewed for as long as the request runs, longer than it lives by itself', async () => {
    await startWorker();
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    const [{ expiresAtMs }] = await devicesLeases();
    await expect.poll(async () => (await devicesLeases()).at(0)?.expiresAtMs).toBeGreaterThan(expiresAtMs + LEASE_MS);
    engine.finish(job.requestId);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
  });

  it('that is gone ends its request, which is tried again', async () => {
    await startWorker();
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    const [{ leaseId, fencingToken }] = await devicesLeases();
    await budget.client.call('release', { lease: { deviceId: device, leaseId, fencingToken } });
    await expect.poll(() => engine.begun).toHaveLength(2);
    engine.finish(job.requestId);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    expect(await bench.traceOf(job)).toMatchObject({ attempt: 2 });
  });

  it('that finds no room waits without using an attempt, and is served when there is some', async () => {
    const other = await fillDevice(10_000_000);
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '10000000' });
    const job = await bench.chat(hello);
    await expect.poll(async () => (await bench.generateJob(job))?.attemptsStarted ?? 0).toBeGreaterThan(3);
    expect(await bench.generateJob(job)).toMatchObject({ attemptsMade: 0 });
    expect(engine.begun).toEqual([]);
    await other.release();
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    engine.finish(job.requestId);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    const trace = await bench.traceOf(job);
    expect(trace.attempt).toBe(1);
    expect(trace.lease.events.map(({ event }) => event)).toEqual(['waited', 'granted', 'released']);
    expect(trace.ms.lease).toBeGreaterThan(0);
  });

  it('that no device could ever hold fails the request at once, with the numbers', async () => {
    const small = await startService({ ...budgetSettings(), MADAKV_BUDGET_KEY_PREFIX: 'small' });
    await startWorker({
      MADAKV_BUDGET_ADDRESS: `127.0.0.1:${small.port}`,
      MADAKV_DEVICE_CAPACITY_BYTES: '1000',
    });
    const job = await bench.chat(hello);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 400 });
    await small.end('SIGKILL');
    const { code, message } = errorOf((await bench.answerOf(job))?.body);
    expect(code).toBe('exceeds_device_memory');
    expect(message).toMatch(/needs at least \d+ bytes of key-value cache; the largest device, gpu-\d+, has 1000\./);
    expect(engine.begun).toEqual([]);
    const trace = await bench.failureOf(job);
    expect(trace).toMatchObject({
      error: { stage: 'generate', code, message, param: null, reason: null },
      prompt: { requestedRatio: 0.2 },
      attempt: 1,
      cache: null,
      lease: null,
      ms: { prefill: null, total: expect.any(Number) as number },
    });
    expect(trace.prompt?.tokens['text']).toBeGreaterThan(10);
    expect(trace.prompt?.fullBytes).toBeGreaterThan(1_000);
    expect(trace.ms.prepare).toBeGreaterThan(0);
  });

  it('that only a larger device can hold waits for that one', async () => {
    await budget.client.call('registerDevice', { deviceId: 'large', workerId: 'l', capacityBytes: 10_000_000 });
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '1000' });
    const job = await bench.chat(hello);
    await expect.poll(async () => (await bench.generateJob(job))?.attemptsStarted ?? 0).toBeGreaterThan(1);
    const second = new FakeEngine();
    second.onBegin = (requestId) => {
      second.finish(requestId);
    };
    await startWorker({ MADAKV_DEVICE_ID: 'large', MADAKV_DEVICE_CAPACITY_BYTES: '10000000' }, second);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    expect(await bench.traceOf(job)).toMatchObject({ attempt: 1, device: 'large' });
  });

  it('a chat completion waits before the lines of batches, and lines in the order of their turns', async () => {
    const other = await fillDevice(2_000_000);
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '2000000' });
    const waiting = async (): Promise<string[]> =>
      (await budget.client.call('list', { deviceId: device })).devices.flatMap((found) =>
        found.waiting.map(({ jobId }) => jobId),
      );
    const lines = await bench.lines('batch_waiting', [hello, hello]);
    const ids = lines.map(({ requestId }) => requestId);
    await expect.poll(waiting).toEqual(ids);
    const chat = await bench.chat(hello);
    await expect.poll(waiting).toEqual([chat.requestId, ...ids]);
    await other.release();
    for (const [rank, job] of [chat, ...lines].entries()) {
      await expect.poll(() => engine.running).toContain(job.requestId);
      expect(engine.rankOf(job.requestId)).toBe(rank);
      engine.finish(job.requestId);
      await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    }
  });

  async function devicesLeases() {
    return (await budget.client.call('list', { deviceId: device })).devices.flatMap(({ leases }) => leases);
  }
});

describe('the memory-budget service away', () => {
  it('what runs finishes, nothing new is taken, and all goes on when it is back', async () => {
    const worker = await startWorker();
    const running = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([running.requestId]);
    const { port } = budget;
    await budget.end('SIGKILL');
    const later = await bench.chat(hello);
    await expect.poll(() => statusOf(`${worker.healthUrl}/readyz`)).toBe(503);
    engine.finish(running.requestId);
    await expect.poll(() => bench.answerOf(running)).toMatchObject({ status: 200 });
    expect(engine.begun).toEqual([running.requestId]);
    budget = await startService(budgetSettings(), port);
    await expect.poll(() => engine.running).toEqual([later.requestId]);
    expect(await bench.generateJob(later)).toMatchObject({ attemptsMade: 0 });
    engine.finish(later.requestId);
    await expect.poll(() => bench.answerOf(later)).toMatchObject({ status: 200 });
    await expect.poll(() => statusOf(`${worker.healthUrl}/readyz`)).toBe(200);
    await expect.poll(() => leasesOn(budget.client)).toEqual([]);
  });
});

describe('cancelling', () => {
  it('a running chat completion ends at the next step and gives its memory back', async () => {
    await startWorker();
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    await bench.records.cancellations.cancel(job.requestId, 'cancelled');
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 499 });
    expect(errorOf((await bench.answerOf(job))?.body)).toMatchObject({ code: 'cancelled' });
    expect(engine.running).toEqual([]);
    expect(await leasesOn(budget.client)).toEqual([]);
  });

  it('a running chat completion counts what was computed for it: its caller may have had all but the last token', async () => {
    await startWorker();
    const job = await bench.chat(hello, { tenant: 'streams' });
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    const prompt = engine.requestOf(job.requestId)?.promptTokens ?? NaN;
    expect(prompt).toBeGreaterThan(0);
    for (const [i, text] of ['one', ' two', ' three'].entries()) engine.say(job.requestId, i, text);
    await bench.records.cancellations.cancel(job.requestId, 'cancelled');
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 499 });
    await expect
      .poll(() => bench.records.quota.state('streams', job.acceptedAtMs))
      .toEqual({ used: prompt + 3, reserved: 0, queued: 0 });
  });

  it('a queued one never begins, and counts nothing', async () => {
    const job = await bench.chat(hello, { tenant: 'queues' });
    await bench.records.cancellations.cancel(job.requestId, 'cancelled');
    await startWorker();
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 499 });
    await expect.poll(() => bench.generateJob(job)).toBeUndefined();
    expect(engine.begun).toEqual([]);
    expect(await bench.records.quota.state('queues', job.acceptedAtMs)).toMatchObject({ used: 0 });
  });

  it('whose announcement was lost takes effect all the same', async () => {
    await startWorker();
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    await bench.redis.set(bench.records.keys.cancelled(job.requestId), 'cancelled');
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 499 });
  });

  it('a batch ends its running lines, whose outcome is left to the batch', async () => {
    await startWorker();
    const batchId = newId('batch');
    const jobs = await bench.lines(batchId, [hello, hello]);
    await expect.poll(() => engine.running).toHaveLength(2);
    engine.finish(jobs[0].requestId);
    await expect.poll(() => bench.answerOf(jobs[0])).toMatchObject({ status: 200, customId: 'c1' });
    await bench.records.cancellations.cancel(batchId, 'expired');
    await expect.poll(() => bench.generateJob(jobs[1])).toBeUndefined();
    expect(engine.running).toEqual([]);
    expect(await bench.records.outcomes.has(jobs[1])).toBe(false);
    expect(await leasesOn(budget.client)).toEqual([]);
  });
});

describe('requests that cannot be answered', () => {
  it('cost no lease: bad options are refused while preparing, with the key that is wrong', async () => {
    await startWorker();
    const job = await bench.chat({ ...hello, madakv: { policy: 'magic' } });
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 400 });
    expect(errorOf((await bench.answerOf(job))?.body)).toMatchObject({ param: 'madakv.policy' });
    await expect.poll(() => bench.generateJob(job)).toBeUndefined();
    expect(engine.begun).toEqual([]);
    expect(await bench.failureOf(job)).toMatchObject({
      error: { stage: 'prepare', code: 'invalid_request', param: 'madakv.policy' },
      prompt: null,
      device: null,
      lease: null,
      ms: { queuePrepare: expect.any(Number) as number, prepare: expect.any(Number) as number, queueGenerate: null },
    });
  });

  it('have a trace that names the line and the part with the bad document', async () => {
    await startWorker();
    const file = { file_data: `data:application/pdf;base64,${Buffer.from('no PDF').toString('base64')}` };
    const [job] = await bench.lines('batch_refused', [
      { messages: [{ role: 'user', content: [{ type: 'file', file }] }] },
    ]);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 400 });
    const { code, message, param } = errorOf((await bench.answerOf(job))?.body);
    expect(await bench.failureOf(job)).toMatchObject({
      customId: 'c1',
      batchId: 'batch_refused',
      error: { stage: 'prepare', code: 'invalid_document', reason: code, message, param },
    });
    expect(param).toBe('messages.0.content.0.file');
  });

  it('an error that may pass is tried again, another one is the answer at once', async () => {
    await startWorker();
    const [passing, final] = [await bench.chat(hello), await bench.chat(hello)];
    await expect.poll(() => engine.running).toHaveLength(2);
    engine.fail(final.requestId, new MadakvError('invalid_document', 'no image', { param: 'messages.0' }));
    engine.fail(passing.requestId, new MadakvError('storage_unavailable', 'away'));
    await expect.poll(() => bench.answerOf(final)).toMatchObject({ status: 400 });
    const { error, device: held, lease } = await bench.failureOf(final);
    expect([error.stage, error.code, held]).toEqual(['generate', 'invalid_document', device]);
    expect(lease?.events.map(({ event }) => event)).toEqual(['granted', 'released']);
    await expect.poll(() => engine.running).toEqual([passing.requestId]);
    engine.finish(passing.requestId);
    await expect.poll(() => bench.answerOf(passing)).toMatchObject({ status: 200 });
    const { attempt, timeline = [], ms } = await bench.traceOf(passing);
    expect(attempt).toBe(2);
    const attempts = timeline.filter(({ kind }) => kind === 'attempt');
    expect(attempts.map(({ stage, what, times }) => [stage, what, times])).toEqual([
      ['prepare', 'prepared', 1],
      ['generate', 'storage_unavailable', 1],
      ['generate', 'answered', 1],
    ]);
    // Between the two it waited for the pause that every retry makes, and only then for its turn.
    const retry = timeline.find(({ kind, what }) => kind === 'wait' && what === 'retry');
    expect(retry).toMatchObject({ stage: 'generate', fromMs: attempts[1].untilMs });
    expect((retry?.untilMs ?? 0) - (retry?.fromMs ?? 0)).toBeGreaterThan(0);
    expect(attempts[2].untilMs).toBeLessThanOrEqual(Math.ceil(ms.total));
  });

  it('one that waited for memory, had it and is tried again has not waited all the while', async () => {
    const other = await fillDevice(10_000_000);
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '10000000' });
    const job = await bench.chat(hello);
    const waitsSince = async (): Promise<unknown> =>
      ((await bench.generateJob(job))?.data as RequestJob | undefined)?.roomSinceMs;
    await expect.poll(waitsSince).toEqual(expect.any(Number));
    await other.release();
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    // Should its worker be killed here, the next one finds that it waits for nothing.
    expect(await waitsSince()).toBeUndefined();
    engine.fail(job.requestId, new MadakvError('storage_unavailable', 'away'));
    await expect.poll(() => engine.begun).toHaveLength(2);
    engine.finish(job.requestId);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    const { attempt, lease, timeline = [], ms } = await bench.traceOf(job);
    expect(attempt).toBe(2);
    expect(lease.events.map(({ event }) => event)).toEqual(['granted', 'released']);
    // What the first attempt took is not time that the second waited for memory: it asked once it was taken.
    const last = timeline.filter(({ kind }) => kind === 'attempt').at(-1);
    expect(last).toMatchObject({ stage: 'generate', what: 'answered' });
    expect(Math.floor(ms.lease)).toBeLessThanOrEqual((last?.untilMs ?? 0) - (last?.fromMs ?? 0));
  });

  it('tells of the worker that died over it, of which nobody heard', async () => {
    const job = await bench.chat(hello);
    await bench.records.crashes.begin(job.requestId);
    await startWorker();
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    engine.finish(job.requestId);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    const { timeline = [] } = await bench.traceOf(job);
    expect(timeline.filter(({ kind, stage }) => kind === 'attempt' && stage === 'generate')).toMatchObject([
      { what: 'worker_lost', worker: null, untilMs: null },
      { what: 'answered' },
    ]);
  });

  it('tells of all the workers that died over it, where those were enough to refuse it', async () => {
    const job = await bench.chat(hello);
    for (let i = 0; i < 3; i++) await bench.records.crashes.begin(job.requestId);
    await startWorker();
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 503 });
    expect(engine.begun).toEqual([]);
    const { timeline = [] } = await bench.failureOf(job);
    expect(timeline.filter(({ kind, stage }) => kind === 'attempt' && stage === 'generate')).toMatchObject([
      ...Array.from({ length: 3 }, () => ({ what: 'worker_lost', worker: null, untilMs: null })),
      { what: 'engine_crashed' },
    ]);
  });

  it('an answer that stands is not made again', async () => {
    const job = await bench.chat(hello);
    const outcome = { state: 'completed', key: 'answers/a' } as const;
    await bench.records.outcomes.commit(job, outcome, settlementOf(job, outcome));
    await startWorker();
    await expect.poll(() => bench.generateJob(job)).toBeUndefined();
    expect(engine.begun).toEqual([]);
    expect(await bench.records.outcomes.find(job)).toMatchObject({ key: 'answers/a' });
  });

  it('one over which the engine dies three times fails for good; others go on', async () => {
    await startWorker();
    const deadly = await bench.chat(hello);
    engine.onBegin = (requestId) => {
      if (requestId === deadly.requestId) engine.fail(requestId, new MadakvError('engine_crashed', 'the thread died'));
      else engine.finish(requestId);
    };
    await expect.poll(() => bench.answerOf(deadly)).toMatchObject({ status: 503 });
    expect(errorOf((await bench.answerOf(deadly))?.body)).toMatchObject({
      code: 'engine_crashed',
      message: 'the engine died 3 times while it worked on this request',
    });
    expect(engine.begun.filter((id) => id === deadly.requestId)).toHaveLength(3);
    const other = await bench.chat(hello);
    await expect.poll(() => bench.answerOf(other)).toMatchObject({ status: 200 });
    expect(await leasesOn(budget.client)).toEqual([]);
  });
});

describe('a job that BullMQ gives up', () => {
  it('because worker after worker died over it, has an answer all the same', async () => {
    const job = await bench.chat(hello);
    // What BullMQ notes on a job that has stalled too often.
    const key = bench.queues.generate(MODEL).toKey(job.requestId);
    await bench.redis.hset(key, 'defa', 'job stalled more than allowable limit');
    for (let i = 0; i < 3; i++) await bench.records.crashes.begin(job.requestId);
    await startWorker();
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 500 });
    expect(errorOf((await bench.answerOf(job))?.body)).toMatchObject({ code: 'internal_error' });
    expect(engine.begun).toEqual([]);
    const { error, timeline = [] } = await bench.failureOf(job);
    expect(error).toMatchObject({ stage: 'generate', code: 'internal_error' });
    expect(timeline.filter(({ what }) => what === 'worker_lost')).toHaveLength(3);
  });
});

describe('draining', () => {
  it('lets what runs finish within the grace period, and takes nothing new', async () => {
    const worker = await startWorker({ MADAKV_GRACE_MS: '20000', MADAKV_CONCURRENCY: '1' });
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    const closed = worker.close();
    const later = await bench.chat(hello);
    await expect.poll(() => statusOf(`${worker.healthUrl}/readyz`)).toBe(503);
    engine.finish(job.requestId);
    await closed;
    expect(await bench.answerOf(job)).toMatchObject({ status: 200 });
    expect(engine.begun).toEqual([job.requestId]);
    expect(await bench.answerOf(later)).toBeUndefined();
    expect(engine.state).toBe('closed');
  });

  it('hands back what does not: no attempt is used, no lease is left, another worker answers it', async () => {
    const worker = await startWorker();
    const job = await bench.chat(hello);
    await expect.poll(() => engine.running).toEqual([job.requestId]);
    await worker.close();
    expect(await leasesOn(budget.client)).toEqual([]);
    expect(await bench.generateJob(job)).toMatchObject({ attemptsMade: 0 });
    const second = new FakeEngine();
    second.onBegin = (requestId) => {
      second.finish(requestId, 'from the second');
    };
    await startWorker({}, second);
    await expect.poll(() => bench.answerOf(job)).toMatchObject({ status: 200 });
    expect(await bench.traceOf(job)).toMatchObject({ attempt: 1 });
  });
});

describe('readers of a chat completion', () => {
  it('hear its tokens in order and its end; lines of batches have none', async () => {
    await startWorker();
    const job = await bench.chat(hello);
    const [line] = await bench.lines(newId('batch'), [hello]);
    await expect.poll(() => engine.running).toHaveLength(2);
    for (const [index, text] of ['a', 'b', 'c'].entries()) {
      engine.say(job.requestId, index, text);
      engine.say(line.requestId, index, text);
    }
    engine.finish(job.requestId);
    engine.finish(line.requestId);
    await expect.poll(() => bench.answerOf(line)).toMatchObject({ status: 200 });
    const events = async (): Promise<unknown[]> =>
      (await bench.redis.lrange(bench.records.keys.events(job.requestId), 0, -1)).map(
        (text) => JSON.parse(text) as unknown,
      );
    await expect
      .poll(events)
      .toEqual([
        { kind: 'token', index: 0, text: 'a' },
        { kind: 'token', index: 1, text: 'b' },
        { kind: 'token', index: 2, text: 'c' },
        { kind: 'end' },
      ]);
    expect(await bench.redis.exists(bench.records.keys.events(line.requestId))).toBe(0);
  });
});
