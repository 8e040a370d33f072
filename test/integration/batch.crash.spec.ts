import { storeKeys, type RequestJob } from '@madakv/contracts';
import type { JobQueues } from '@madakv/queue';
import { Records } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import { WaitingChildrenError } from 'bullmq';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BatchJobHandle, BatchProcessor } from '../../apps/worker/src/batch/index.js';
import { BatchWorld, line, MODEL, TENANT } from './batch.world.js';

let redis: RedisServer;
let world: BatchWorld;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  world = await BatchWorld.open(redis.url);
});
afterEach(() => world.close());
afterAll(() => redis.stop());

class Killed extends Error {}

/** Ends a process's life at its n-th call to the outside: before the call is made, or after it took effect. */
class Life {
  calls = 0;

  constructor(
    private readonly last: number,
    private readonly moment: 'before' | 'after',
  ) {}

  /** The same object, whose calls that return promises are counted. */
  of<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const result: unknown = isAsync(name) ? this.call(() => Reflect.apply(value, object, args)) : undefined;
          return isAsync(name) ? result : Reflect.apply(value, object, args);
        };
      },
    });
  }

  private async call(make: () => unknown): Promise<unknown> {
    const n = ++this.calls;
    if (n > this.last || (n === this.last && this.moment === 'before')) throw new Killed();
    const result = await make();
    if (n < this.last) return result;
    // A process takes its open files with it.
    if (result instanceof Readable) result.destroy();
    throw new Killed();
  }
}

/** All that the batch role calls, but what gives back no promise. */
function isAsync(name: string | symbol): boolean {
  return !['createWriter', 'list', 'prepare', 'generate', 'redis', 'keys'].includes(String(name));
}

function mortal(life: Life): BatchProcessor {
  const records = new Records(world.redis, world.prefix);
  const parts = ['batches', 'outcomes', 'shares', 'models', 'cancellations', 'files', 'quota'] as const;
  for (const part of parts) Object.defineProperty(records, part, { value: life.of(records[part]) });
  const processor = world.processorOver(records, life.of(world.queues), life.of(world.store));
  const process = processor.process.bind(processor);
  processor.process = (job, token, signal) => {
    const handle: BatchJobHandle = {
      name: job.name,
      data: job.data,
      moveToWaitingChildren: (of) => life.of({ move: () => job.moveToWaitingChildren(of) }).move(),
    };
    return process(handle, token, signal);
  };
  return processor;
}

const INPUT = [line('a'), '{', line('b'), line('c'), line('d', { model: 'x' }), line('e'), line('f')].join('\n');

/** @returns whether the life came to its end */
async function runWithDeath(id: string, life: Life): Promise<boolean> {
  const processor = mortal(life);
  try {
    let busy = true;
    while (busy) {
      busy = await world.runBatchJob(processor);
      while (await world.runPrepare()) busy = true;
      while (await world.runGenerate()) {
        busy = true;
        await expectShares(id);
      }
    }
    return false;
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
    return true;
  }
}

/** While it runs, what is reserved is what its open lines are taken for: each 18 bytes of text, and 256 tokens of an answer. */
async function expectShares(id: string): Promise<void> {
  if ((await world.record(id)).object.status !== 'in_progress') return;
  const outcomes = await world.records.outcomes.ofLines(id, [1, 3, 4, 6, 7]);
  const open = outcomes.filter((outcome) => outcome === undefined).length;
  expect((await world.records.quota.state(TENANT, Date.now())).queued).toBe(open * (5 + 256));
}

async function expectEachOnce(id: string, expected: { output: string[]; errors: (string | null)[] }): Promise<void> {
  const { output, errors } = await world.results(id);
  expect(output.map((result) => result.custom_id)).toEqual(expected.output);
  expect(errors.map((result) => result.custom_id)).toEqual(expected.errors);
  expect([...world.generated.values()].every((times) => times === 1)).toBe(true);
  expect(await world.keys('requests/')).toEqual([]);
  expect((await world.records.quota.state(TENANT, Date.now())).queued).toBe(0);
  expect(await world.queues.batch.getJobCountByTypes('waiting', 'active', 'delayed', 'waiting-children')).toBe(0);
}

describe.each(['before', 'after'] as const)('a worker that dies %s any of its calls', (moment) => {
  it('loses no line of a batch, and doubles none', async () => {
    let n = 1;
    for (let died = true; died; n++) {
      world.generated.clear();
      const id = await world.submit(INPUT);
      died = await runWithDeath(id, new Life(n, moment));
      await expectShares(id);
      await world.drain();
      const { object } = await world.record(id);
      expect(object, `died at call ${n}`).toMatchObject({
        status: 'completed',
        request_counts: { total: 7, completed: 5, failed: 2 },
        usage: { total_tokens: 160 },
      });
      expect(world.generated.size).toBe(5);
      await expectEachOnce(id, { output: ['a', 'b', 'c', 'e', 'f'], errors: [null, 'd'] });
    }
    // The last life was long enough for all calls.
    expect(n).toBeGreaterThan(40);
  }, 600_000);

  it('ends a cancelled batch all the same', async () => {
    for (let n = 1, died = true; died; n++) {
      world.generated.clear();
      const id = await world.submit(INPUT);
      await world.runBatchJob();
      await world.runPrepare();
      await world.runGenerate();
      await world.control.cancel(TENANT, id);
      died = await runWithDeath(id, new Life(n, moment));
      await expectShares(id);
      await world.drain();
      const { object } = await world.record(id);
      expect(object, `died at call ${n}`).toMatchObject({
        status: 'cancelled',
        request_counts: { total: 7, completed: 1, failed: 6 },
      });
      await expectEachOnce(id, { output: ['a'], errors: [null, 'b', 'c', 'd', 'e', 'f'] });
    }
  }, 600_000);
});

describe('a worker that wakes after another has taken its job', () => {
  it('adds no line twice while lines wait, run, or are answered', async () => {
    const id = await world.submit([line('a'), line('b'), line('c')].join('\n'));
    await world.runBatchJob();
    // a is answered and gone, b runs, c waits.
    await world.runPrepare();
    await world.runGenerate();
    await world.runPrepare();
    const running = await world.take(`generate.${MODEL}`);
    // It has read the record before the other one moved on.
    const record = await world.record(id);
    const records = new Records(world.redis, world.prefix);
    const stale = { ...record, order: { key: record.order?.key, window: 0, byte: 0 } };
    Object.defineProperty(records.batches, 'get', { value: () => Promise.resolve(stale) });
    let looks = 0;
    const handle: BatchJobHandle = {
      name: 'run',
      data: { batchId: id, tenant: TENANT },
      moveToWaitingChildren: () => Promise.resolve(looks++ > 0),
    };
    const zombie = world.processorOver(records, world.queues, world.store);
    await expect(zombie.process(handle, 'stale')).rejects.toBeInstanceOf(WaitingChildrenError);
    expect(await world.queues.prepare(MODEL).getJobCountByTypes('waiting', 'prioritized')).toBe(1);
    expect(await world.queues.generate(MODEL).getJobCountByTypes('waiting-children', 'prioritized', 'active')).toBe(2);
    expect((await world.record(id)).order).toEqual(record.order);
    await world.answer(running?.job.data as RequestJob);
    await running?.job.moveToCompleted({ state: 'settled' }, running.token, false);
    await world.drain();
    const { output } = await world.results(id);
    expect(output.map((result) => result.custom_id)).toEqual(['a', 'b', 'c']);
    expect([...world.generated.values()]).toEqual([1, 1]);
  });

  it('cannot change what a batch has come to, nor leave files behind', async () => {
    const id = await world.submit([line('a'), line('b')].join('\n'));
    await world.runBatchJob();
    await world.runPrepare();
    const job = (await world.take(`generate.${MODEL}`))?.job;
    await world.control.cancel(TENANT, id);
    await world.records.outcomes.closeLines(id);
    const late = job?.data as RequestJob;
    await world.answer(late);
    expect(await world.records.outcomes.find(late)).toBeUndefined();
    expect(await world.keys('requests/')).toEqual([storeKeys.order(id)]);
    await world.records.outcomes.forgetLines(id);
    await world.answer(late);
    expect(await world.records.outcomes.find(late)).toBeUndefined();
  });
});

it('takes out lines that were being added when the batch was cancelled', async () => {
  const id = await world.submit([line('a'), line('b')].join('\n'));
  const addLines: JobQueues['addLines'] = async (batchId, jobs) => {
    await world.control.cancel(TENANT, id);
    await world.queues.addLines(batchId, jobs);
  };
  await world.runBatchJob(world.processorOver(world.records, queuesWith({ addLines }), world.store));
  expect((await world.record(id)).object.status).toBe('cancelled');
  await world.drain();
  expect(world.generated.size).toBe(0);
});

it('says when lines did not reach their queues, and adds them the next time', async () => {
  const id = await world.submit([line('a'), line('b')].join('\n'));
  const deaf = queuesWith({ addLines: () => Promise.resolve() });
  await expect(world.runBatchJob(world.processorOver(world.records, deaf, world.store))).rejects.toThrow(
    '2 lines of batch_',
  );
  expect((await world.record(id)).order?.byte).toBe(0);
  await world.drain();
  expect((await world.record(id)).object.request_counts.completed).toBe(2);
});

it('carries on with what a restarted Redis found in its append-only file', async () => {
  const durable = await startRedis({ appendOnly: true });
  const own = await BatchWorld.open(durable.url);
  try {
    const id = await own.submit(Array.from({ length: 9 }, (_, i) => line(`c${i}`)).join('\n'));
    await own.runBatchJob();
    await own.runPrepare();
    await own.runGenerate();
    await durable.restart();
    await own.drain();
    expect((await own.record(id)).object).toMatchObject({ status: 'completed', request_counts: { completed: 9 } });
    expect([...own.generated.values()]).toEqual(Array(9).fill(1));
  } finally {
    await own.close();
    await durable.stop();
  }
});

/** The world's queues, with other methods in some places. */
function queuesWith(methods: Partial<JobQueues>): JobQueues {
  return new Proxy(world.queues, {
    get: (object, name) => {
      const other: unknown = Reflect.get(methods, name);
      if (other !== undefined) return other;
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === 'function' ? (value.bind(object) as unknown) : value;
    },
  });
}
