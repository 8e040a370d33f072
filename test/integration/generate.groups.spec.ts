import {
  lineGroupId,
  lineRequestId,
  MadakvError,
  requestsOf,
  type ErrorBody,
  type RequestJob,
} from '@madakv/contracts';
import { BatchControl, FairShares } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startService, takeMemory, type RunningService } from './budget.services.js';
import { FakeEngine } from './worker.fake.engine.js';
import { MODEL, roomyCheckpoint, TENANT, WorkerBench, type TestWorker } from './worker.bench.js';

const PASSAGE = 'The vessel left the harbour before dawn and nobody on the quay could say what she carried. '.repeat(
  20,
);
const about = (text: string, passage = PASSAGE) => ({
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'text' as const, text: passage },
        { type: 'text' as const, text },
      ],
    },
  ],
  max_tokens: 8,
});
const questions = (count: number) => Array.from({ length: count }, (_, i) => about(`Question ${i + 1}?`));

let redis: RedisServer;
let budget: RunningService;
let bench: WorkerBench;
let engine: FakeEngine;
let device: string;
let model: string;
let tests = 0;

beforeAll(async () => {
  redis = await startRedis({ appendOnly: true });
  budget = await startService({ MADAKV_REDIS_URL: redis.url, MADAKV_BUDGET_LEASE_TTL_MS: '5000' });
});
afterAll(async () => {
  await budget.end('SIGKILL');
  await redis.stop();
});
beforeEach(async () => {
  bench = await WorkerBench.open({ redisUrl: redis.url, budgetPort: budget.port });
  engine = new FakeEngine();
  device = `group-${++tests}`;
  model = roomyCheckpoint(bench.folder);
});
afterEach(() => bench.close());

function startWorker(changes: Record<string, string> = {}, own = engine): Promise<TestWorker> {
  return bench.startWorker(
    { MADAKV_MODEL: model, MADAKV_DEVICE_ID: device, MADAKV_GRACE_MS: '0', ...changes },
    { startEngine: () => Promise.resolve(own) },
  );
}

const idOf = lineRequestId;
const lineOf = (batchId: string, line: number): RequestJob =>
  ({ requestId: idOf(batchId, line), source: { kind: 'line', batchId, line } }) as RequestJob;
/** Of a batch that has ended, in the order of its lines. */
async function statuses(batchId: string): Promise<[customId: string | null, status: number | undefined][]> {
  const { object } = (await bench.records.batches.get(batchId)) ?? {};
  const files = [object?.output_file_id, object?.error_file_id];
  const results = (await Promise.all(files.map((file) => bench.results(file)))).flat();
  const numbered = results.map(({ custom_id, response }): [string | null, number | undefined] => [
    custom_id,
    response?.status_code,
  ]);
  return numbered.sort(([a], [b]) => Number(a?.slice(1)) - Number(b?.slice(1)));
}
const statusOfBatch = async (batchId: string) => (await bench.records.batches.get(batchId))?.object.status;
const inOrder = (batchId: string, count: number) => Array.from({ length: count }, (_, i) => idOf(batchId, i + 1));

async function leases(): Promise<{ jobId: string; bytes: number }[]> {
  const { devices } = await budget.client.call('list', { deviceId: device });
  return devices.flatMap((found) => found.leases.map(({ jobId, bytes }) => ({ jobId, bytes })));
}

/** Does it again and again until the test ends, however that is. */
function repeatedly(work: () => void): void {
  const timer = setInterval(work, 20);
  onTestFinished(() => {
    clearInterval(timer);
  });
}

describe('lines about one document', () => {
  it('are one job under one lease, wherever they stand in the file, and each has its own outcome and trace', async () => {
    await startWorker();
    const other = about('What else?', PASSAGE.replaceAll('vessel', 'train'));
    const batchId = await bench.batch([about('One?'), other, about('Two?'), about('Three?')]);
    const group = [1, 3, 4].map((line) => idOf(batchId, line));
    await expect.poll(() => engine.running).toHaveLength(4);
    expect(engine.begun.filter((id) => group.includes(id))).toEqual(group);
    const held = await leases();
    expect(held.map(({ jobId }) => jobId).sort()).toEqual([group[0], idOf(batchId, 2)]);
    for (const id of group) engine.evict(id, 700);
    await expect.poll(async () => (await leases()).find(({ jobId }) => jobId === group[0])?.bytes).toBe(2_100);
    engine.finish(group[1], 'the second');
    // It is answered at once, and what it had is free.
    await expect.poll(() => bench.answerOf(lineOf(batchId, 3))).toMatchObject({ status: 200, customId: 'c3' });
    expect((await leases()).find(({ jobId }) => jobId === group[0])?.bytes).toBe(1_400);
    engine.finish(group[0]);
    engine.finish(group[2]);
    engine.finish(idOf(batchId, 2));
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    expect(await leases()).toEqual([]);
    const traces = await Promise.all([1, 2, 3, 4].map((line) => bench.traceOf(lineOf(batchId, line))));
    expect(traces.map(({ lease }) => lease.requests)).toEqual([3, 1, 3, 3]);
    expect(new Set(traces.map(({ lease }) => lease.leaseId)).size).toBe(2);
    expect(traces[2].lease.events.map(({ event, bytes }) => [event, bytes])).toEqual([
      ['granted', expect.any(Number)],
      ['resized', 2_100],
      ['resized', 1_400],
    ]);
    // Its own share, of the bytes that all of them were granted.
    expect(traces[2].lease.grantedBytes).toBeLessThan(traces[2].lease.events[0].bytes / 3);
  });

  it('reach the engine at one moment, however long what each needs before takes', async () => {
    const slow = vi.spyOn(FairShares.prototype, 'served');
    let go: () => void = () => undefined;
    slow.mockImplementationOnce(() => new Promise((resolve) => (go = resolve)));
    try {
      await startWorker();
      const batchId = await bench.batch(questions(3));
      await expect.poll(() => slow.mock.calls.length).toBe(3);
      await Promise.all(slow.mock.results.slice(1).map(({ value }) => value as Promise<void>));
      await new Promise(setImmediate);
      expect(engine.begun).toEqual([]);
      go();
      await expect.poll(() => [...engine.begun].sort()).toEqual(inOrder(batchId, 3));
      for (const id of engine.running) engine.finish(id);
      await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    } finally {
      slow.mockRestore();
    }
  });

  it('are as many jobs as it takes, of so many lines at most', async () => {
    engine.onBegin = (id) => {
      engine.finish(id);
    };
    await startWorker({ MADAKV_GROUP: '3' });
    const batchId = await bench.batch(questions(7));
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    const traces = await Promise.all(inOrder(batchId, 7).map((_, i) => bench.traceOf(lineOf(batchId, i + 1))));
    expect(traces.map(({ lease }) => lease.requests)).toEqual([3, 3, 3, 3, 3, 3, 1]);
  });

  it('fail one by one: a bad one before the others are read, one that fails in the engine beside them', async () => {
    await startWorker();
    const bad = { ...about('Two?'), madakv: { policy: 'magic' } };
    const batchId = await bench.batch([about('One?'), bad, about('Three?'), about('Four?')]);
    await expect.poll(() => engine.running).toHaveLength(3);
    engine.fail(idOf(batchId, 3), new MadakvError('invalid_document', 'no image', { param: 'messages.0' }));
    engine.finish(idOf(batchId, 1));
    engine.finish(idOf(batchId, 4));
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    const { object } = (await bench.records.batches.get(batchId)) ?? {};
    expect(object?.request_counts).toEqual({ total: 4, completed: 2, failed: 2 });
    const errors = await bench.results(object?.error_file_id);
    expect(errors.map(({ response }) => (response?.body as ErrorBody).error.param)).toEqual([
      'madakv.policy',
      'messages.0',
    ]);
    expect(engine.begun).toHaveLength(3);
  });

  it('that have to be tried again go on by themselves, and the batch waits for them', async () => {
    await startWorker();
    const batchId = await bench.batch(questions(3));
    await expect.poll(() => engine.running).toHaveLength(3);
    engine.fail(idOf(batchId, 2), new MadakvError('storage_unavailable', 'away'));
    engine.finish(idOf(batchId, 1));
    engine.finish(idOf(batchId, 3));
    await expect.poll(() => engine.running).toEqual([idOf(batchId, 2)]);
    expect(await statusOfBatch(batchId)).toBe('in_progress');
    engine.finish(idOf(batchId, 2));
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    expect(await statuses(batchId)).toEqual([1, 2, 3].map((i) => [`c${i}`, 200]));
    const { lease, timeline = [] } = await bench.traceOf(lineOf(batchId, 2));
    expect(lease.requests).toBe(1);
    expect(engine.begun).toHaveLength(4);
    // It is prepared anew with what its group's job noted, and yet that was no attempt to prepare it.
    const failed = timeline.filter(({ what }) => what === 'storage_unavailable');
    expect(failed).toMatchObject([{ kind: 'attempt', stage: 'generate', times: 1 }]);
  });

  it('that are all struck alike stay together', async () => {
    await startWorker();
    const batchId = await bench.batch(questions(3));
    await expect.poll(() => engine.running).toHaveLength(3);
    for (const id of inOrder(batchId, 3)) engine.fail(id, new MadakvError('lease_lost', 'gone'));
    await expect.poll(() => engine.running).toHaveLength(3);
    for (const id of inOrder(batchId, 3)) engine.finish(id);
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    const traces = await Promise.all([1, 2, 3].map((line) => bench.traceOf(lineOf(batchId, line))));
    expect(traces.map(({ lease, attempt }) => [lease.requests, attempt])).toEqual([
      [3, 2],
      [3, 2],
      [3, 2],
    ]);
  });

  it('are found one by one where one of them kills the engine: it fails, and no neighbour does', async () => {
    await startWorker();
    const batchId = await bench.batch(questions(20));
    const deadly = idOf(batchId, 13);
    await expect.poll(() => engine.running).toHaveLength(20);
    repeatedly(() => {
      // The thread takes all with it that it had begun.
      if (engine.running.includes(deadly)) {
        for (const id of engine.running) engine.fail(id, new MadakvError('engine_crashed', 'the thread died'));
      } else for (const id of engine.running) engine.finish(id);
    });
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    expect(await statuses(batchId)).toEqual(Array.from({ length: 20 }, (_, i) => [`c${i + 1}`, i === 12 ? 503 : 200]));
    // All of them, then the eight among which it is, then it alone.
    expect(engine.begun.filter((id) => id === deadly)).toHaveLength(3);
    expect(engine.begun.filter((id) => id === idOf(batchId, 1))).toHaveLength(2);
    expect(engine.begun.length).toBeLessThanOrEqual(20 + 20 + 8);
  });

  it('stop with their batch, and free what they had', async () => {
    await startWorker();
    const batchId = await bench.batch(questions(3));
    await expect.poll(() => engine.running).toHaveLength(3);
    engine.finish(idOf(batchId, 2));
    await expect.poll(() => bench.answerOf(lineOf(batchId, 2))).toMatchObject({ status: 200 });
    const { batches, cancellations } = bench.records;
    await new BatchControl(batches, cancellations, bench.queues).cancel(TENANT, batchId);
    await expect.poll(() => statusOfBatch(batchId)).toBe('cancelled');
    expect(engine.running).toEqual([]);
    expect(await leases()).toEqual([]);
    const { object } = (await batches.get(batchId)) ?? {};
    expect(object?.request_counts).toEqual({ total: 3, completed: 1, failed: 2 });
  });

  it('are handed back together when their worker ends; what is answered is not asked again', async () => {
    const worker = await startWorker();
    const batchId = await bench.batch(questions(3));
    await expect.poll(() => engine.running).toHaveLength(3);
    engine.finish(idOf(batchId, 2));
    await expect.poll(() => bench.answerOf(lineOf(batchId, 2))).toMatchObject({ status: 200 });
    await worker.close();
    expect(await leases()).toEqual([]);
    expect(await bench.queues.generate(MODEL).getJob(lineGroupId(batchId, 1))).toMatchObject({ attemptsMade: 0 });
    // What is left of it counts as demand again, so that somebody comes for it.
    expect((await budget.client.call('queryDemand', { model: MODEL })).queuedBytes).toBeGreaterThan(0);
    const second = new FakeEngine();
    second.onBegin = (id) => {
      second.finish(id);
    };
    await startWorker({}, second);
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    expect(second.begun).toEqual([idOf(batchId, 1), idOf(batchId, 3)]);
  });

  it('are demand no longer once they are answered, in whosever name that was stated, and when', async () => {
    await startWorker();
    const batchId = await bench.batch(questions(3));
    await expect.poll(() => engine.running).toHaveLength(3);
    // As what a worker says late that ends while another has the job.
    const lines = inOrder(batchId, 3);
    for (const jobId of lines) await budget.client.call('publishDemand', { jobId, bytes: 1_000, model: MODEL });
    for (const id of lines) engine.finish(id);
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    const demand = () => budget.client.call('queryDemand', { model: MODEL });
    await expect.poll(demand).toMatchObject({ queuedBytes: 0 });

    // A job that was told to wait while another answered its request, when it is taken again.
    const [requestId] = lines;
    await budget.client.call('publishDemand', { jobId: requestId, bytes: 1_000, model: MODEL });
    const source = { kind: 'line', batchId, line: 1, fileKey: 'gone', start: 0, length: 1 } as const;
    const job = { requestId, tenant: TENANT, model: MODEL, source, acceptedAtMs: Date.now() };
    await bench.queues.generate(MODEL).add('generate', job);
    await expect.poll(demand).toMatchObject({ queuedBytes: 0 });
  });

  it('are split where they would take more than half of a device, so that two workers may read one document', async () => {
    const second = new FakeEngine();
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '1000000', MADAKV_CONCURRENCY: '1' });
    await startWorker(
      { MADAKV_DEVICE_CAPACITY_BYTES: '1000000', MADAKV_CONCURRENCY: '1', MADAKV_DEVICE_ID: `${device}-b` },
      second,
    );
    const batchId = await bench.batch(questions(12));
    const all = () => [...engine.running, ...second.running];
    await expect.poll(() => Math.min(engine.running.length, second.running.length)).toBeGreaterThan(0);
    // Each stands in one job: what was split off is not asked again with the rest, should that be taken again.
    const jobs = await bench.queues.generate(MODEL).getJobs();
    const members = jobs.flatMap(({ data }) => requestsOf(data).map(({ requestId }) => requestId));
    expect(members.sort()).toEqual(inOrder(batchId, 12).sort());
    repeatedly(() => {
      for (const each of [engine, second]) for (const id of each.running) each.finish(id);
    });
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    expect(all()).toEqual([]);
    expect([...engine.begun, ...second.begun].sort()).toEqual(inOrder(batchId, 12).sort());
    const traces = await Promise.all(inOrder(batchId, 12).map((_, i) => bench.traceOf(lineOf(batchId, i + 1))));
    for (const { lease } of traces) expect(lease.events[0].bytes).toBeLessThanOrEqual(500_000);
    expect(new Set(traces.map(({ device: at }) => at)).size).toBe(2);
  });

  it('are no larger than half of what an operator leaves of a device', async () => {
    await budget.client.call('registerDevice', {
      deviceId: device,
      workerId: 'before',
      capacityBytes: 20_000_000,
      model: MODEL,
    });
    await budget.client.call('setCapacity', { deviceId: device, limitBytes: 2_000_000 });
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '20000000', MADAKV_CONCURRENCY: '1' });
    engine.onBegin = (id) => {
      engine.finish(id);
    };
    const batchId = await bench.batch(questions(12));
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    const traces = await Promise.all(inOrder(batchId, 12).map((_, i) => bench.traceOf(lineOf(batchId, i + 1))));
    expect(Math.max(...traces.map(({ lease }) => lease.requests))).toBeGreaterThan(1);
    for (const { lease } of traces) expect(lease.events[0].bytes).toBeLessThanOrEqual(1_000_000);
  });

  it('count as so many lines among tenants: a small batch waits for one group, not for all of a large one', async () => {
    await startWorker({ MADAKV_CONCURRENCY: '1', MADAKV_GROUP: '16' });
    const large = await bench.batch(questions(64));
    await expect.poll(() => engine.running).toHaveLength(16);
    const small = await bench.batch(
      [1, 2, 3].map((i) => about(`Question ${i}?`, PASSAGE.replaceAll('vessel', 'train'))),
      'small',
    );
    await expect.poll(async () => await bench.queues.generate(MODEL).getPrioritizedCount()).toBe(4);
    const order: string[] = [];
    repeatedly(() => {
      for (const id of engine.running) {
        order.push(id.startsWith(large) ? 'large' : 'small');
        engine.finish(id);
      }
    });
    await expect.poll(() => statusOfBatch(large)).toBe('completed');
    await expect.poll(() => statusOfBatch(small)).toBe('completed');
    // One group ran already, the one that was prepared first; another may have had an earlier turn, and one that is as early.
    expect(order.lastIndexOf('small')).toBeLessThan(3 * 16 + 3);
  });

  it('wait for room together, without using an attempt', async () => {
    await startWorker({ MADAKV_DEVICE_CAPACITY_BYTES: '3000000' });
    await expect.poll(async () => (await budget.client.call('list', { deviceId: device })).devices).toHaveLength(1);
    const other = await takeMemory(budget.client, device, 2_900_000);
    const batchId = await bench.batch(questions(3));
    await expect
      .poll(async () => (await bench.queues.generate(MODEL).getJob(lineGroupId(batchId, 1)))?.attemptsStarted ?? 0)
      .toBeGreaterThan(2);
    await other.release();
    await expect.poll(() => engine.running).toHaveLength(3);
    for (const id of inOrder(batchId, 3)) engine.finish(id);
    await expect.poll(() => statusOfBatch(batchId)).toBe('completed');
    const trace = await bench.traceOf(lineOf(batchId, 2));
    expect(trace.attempt).toBe(1);
    expect(trace.lease.events.map(({ event }) => event)[0]).toBe('waited');
  });
});
