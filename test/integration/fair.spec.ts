import { BATCH_QUEUE, MAX_PRIORITY, modelQueue, newId, type RequestJob } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { Worker, type Job, type Processor } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BatchWorld, inputOf, MODEL } from './batch.world.js';

const CONCURRENCY = 4;
const WINDOW = 64;

let redis: RedisServer;
let world: BatchWorld;
let workers: Worker[];
/** Tenants in the order in which their requests were generated. */
let served: string[];
let gate: Gate;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  world = await BatchWorld.open(redis.url, { windowLines: WINDOW });
  workers = [];
  served = [];
  gate = new Gate();
});
afterEach(async () => {
  gate.open();
  await Promise.all(workers.map((worker) => worker.close()));
  await world.close();
});
afterAll(() => redis.stop());

function work(queue: string, processor: Processor, concurrency = CONCURRENCY): void {
  const worker = new Worker(queue, processor, { connection: world.redis, prefix: world.prefix, concurrency });
  worker.on('error', () => undefined);
  workers.push(worker);
}

/** Workers of all roles; `generate` is asked before each answer. */
function start(generate: (job: RequestJob) => Promise<void> = () => Promise.resolve()): void {
  work(BATCH_QUEUE, (job: Job, token) => world.processor.process(job, token ?? ''));
  work(modelQueue('prepare', MODEL), () => Promise.resolve({ state: 'prepared' }));
  work(modelQueue('generate', MODEL), async ({ data }: Job<RequestJob>) => {
    served.push(data.tenant);
    if (data.fairTag !== undefined) await world.records.shares.served(MODEL, data.fairTag);
    await generate(data);
    await world.answer(data);
    return { state: 'settled' };
  });
}

async function completed(batchId: string): Promise<void> {
  const status = async (): Promise<string> => (await world.record(batchId)).object.status;
  await expect.poll(status).toBe('completed');
}

/** Holds workers until it is opened. */
class Gate {
  held = 0;
  open: () => void = () => undefined;
  private readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });

  async pass(): Promise<void> {
    this.held++;
    await this.opened;
  }
}

describe('a tenant with thousands of lines', () => {
  it('does not starve one with ten, who comes later', async () => {
    start(() => (served.length >= 200 ? gate.pass() : Promise.resolve()));
    const large = await world.submit(inputOf(2_000), { tenant: 'large' });
    await expect.poll(() => gate.held).toBe(CONCURRENCY);
    const small = await world.submit(inputOf(10), { tenant: 'small' });
    await expect.poll(async () => (await world.record(small)).order?.byte ?? 0).toBeGreaterThan(0);
    await expect.poll(() => world.queues.prepare(MODEL).getJobCountByTypes('prioritized', 'active')).toBe(0);
    const arrived = served.length;
    gate.open();
    await completed(small);
    expect(served.lastIndexOf('small') + 1 - arrived).toBeLessThanOrEqual(20 + CONCURRENCY);
    expect(served.slice(arrived, served.lastIndexOf('small')).filter((tenant) => tenant === 'large')).not.toEqual([]);
    expect((await world.record(large)).object.status).toBe('in_progress');
  });

  it('gets all workers where nobody else waits', async () => {
    start();
    await completed(await world.submit(inputOf(300), { tenant: 'large' }));
    expect(served).toHaveLength(300);
  });
});

it('a chat completion runs before all lines', async () => {
  start(() => gate.pass());
  await world.submit(inputOf(100), { tenant: 'large' });
  await expect.poll(() => gate.held).toBe(CONCURRENCY);
  const chat = newId('chat');
  const source = { kind: 'body', fileKey: 'requests/x/body.json' } as const;
  await world.queues.addChat({ requestId: chat, tenant: 'talker', model: MODEL, source, acceptedAtMs: Date.now() });
  await expect.poll(() => world.queues.generate(MODEL).getWaitingCount()).toBe(1);
  gate.open();
  await expect.poll(() => served).toContain('talker');
  expect(served.indexOf('talker')).toBeLessThanOrEqual(2 * CONCURRENCY);
});

describe('fair shares', () => {
  it('give tags that interleave tenants, beginning where service is', async () => {
    const { shares } = world.records;
    expect(await shares.reserve(MODEL, 'a', 5)).toEqual([1, 2, 3, 4, 5]);
    expect(await shares.reserve(MODEL, 'b', 2)).toEqual([1, 2]);
    await shares.served(MODEL, 3);
    await shares.served(MODEL, 2);
    expect(await shares.reserve(MODEL, 'c', 2)).toEqual([4, 5]);
    expect(await shares.reserve(MODEL, 'a', 1)).toEqual([6]);
  });

  it('begin anew when all that was given out is served', async () => {
    const { shares } = world.records;
    await shares.reserve(MODEL, 'a', 5);
    await shares.served(MODEL, 5);
    expect(await shares.reserve(MODEL, 'a', 2)).toEqual([1, 2]);
    // A tag of before says nothing about now.
    await shares.served(MODEL, 5);
    expect(await shares.reserve(MODEL, 'b', 1)).toEqual([1]);
  });

  it('keep a clock a model', async () => {
    const { shares } = world.records;
    await shares.reserve('fast', 'a', 1_000);
    await shares.served('fast', 900);
    expect(await shares.reserve(MODEL, 'b', 1)).toEqual([1]);
    expect(await shares.reserve('fast', 'b', 1)).toEqual([901]);
  });

  it('never go beyond the last priority', async () => {
    const { shares } = world.records;
    await shares.reserve(MODEL, 'a', MAX_PRIORITY - 1);
    expect(await shares.reserve(MODEL, 'a', 3)).toEqual([MAX_PRIORITY, MAX_PRIORITY, MAX_PRIORITY]);
  });
});
