import { BATCH_QUEUE, lineRequestId, modelQueue, newId, type RequestJob } from '@madakv/contracts';
import { BATCH_JOBS } from '@madakv/queue';
import { startRedis, type RedisServer } from '@madakv/testing';
import { UnrecoverableError, Worker } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BatchWorld, inputOf, MODEL, TENANT } from './batch.world.js';

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

function chat(): RequestJob {
  const source = { kind: 'body', fileKey: 'requests/x/body.json' } as const;
  return { requestId: newId('chat'), tenant: TENANT, model: MODEL, source, acceptedAtMs: Date.now() };
}

function lineJob(batchId: string, line: number, fairTag: number): RequestJob {
  const source = { kind: 'line', batchId, line, fileKey: 'files/f', start: 0, length: 1 } as const;
  return { requestId: lineRequestId(batchId, line), tenant: TENANT, model: MODEL, source, acceptedAtMs: 1, fairTag };
}

/** A batch job that is active. */
async function activeBatch(): Promise<string> {
  const batchId = newId('batch');
  await world.queues.addBatch({ batchId, tenant: TENANT }, Date.now() + 60_000);
  await world.take(BATCH_QUEUE);
  return batchId;
}

describe('lines', () => {
  it('run in the order of their tags, after their prepare jobs', async () => {
    const batchId = await activeBatch();
    await world.queues.addLines(batchId, [lineJob(batchId, 1, 7), lineJob(batchId, 2, 3)]);
    expect(await world.take(modelQueue('generate', MODEL))).toBeUndefined();
    const first = await world.take(modelQueue('prepare', MODEL));
    expect(first?.job.id).toBe(lineRequestId(batchId, 2));
    await first?.job.moveToCompleted({ state: 'prepared' }, first.token, false);
    expect((await world.take(modelQueue('generate', MODEL)))?.job.id).toBe(lineRequestId(batchId, 2));
  });

  it('are known while they are anywhere in the queues', async () => {
    const batchId = await activeBatch();
    const [one, two] = [lineJob(batchId, 1, 1), lineJob(batchId, 2, 2)];
    await world.queues.addLines(batchId, [one]);
    expect(await world.queues.absentLines([one, two])).toEqual([two]);
    await world.runPrepare();
    expect(await world.queues.absentLines([one, two])).toEqual([two]);
    const taken = await world.take(modelQueue('generate', MODEL));
    expect(await world.queues.absentLines([one])).toEqual([]);
    await taken?.job.moveToCompleted({ state: 'settled' }, taken.token, false);
    expect(await world.queues.absentLines([one])).toEqual([one]);
    expect(await world.queues.absentLines([])).toEqual([]);
  });

  it('that fail for good leave no job that a batch could wait for', async () => {
    const batchId = await activeBatch();
    const one = lineJob(batchId, 1, 1);
    await world.queues.addLines(batchId, [one]);
    await world.runPrepare();
    const taken = await world.take(modelQueue('generate', MODEL));
    await taken?.job.moveToFailed(new UnrecoverableError('died'), taken.token, false);
    expect(await world.queues.absentLines([one])).toEqual([one]);
    await world.queues.addLines(batchId, [one]);
    expect((await world.take(modelQueue('prepare', MODEL)))?.job.id).toBe(one.requestId);
    const failures = await (await world.queues.batch.getJob(batchId))?.getIgnoredChildrenFailures();
    expect(Object.values(failures ?? {})).toEqual(['died']);
  });

  it('of a batch that has no job are not added, which shows', async () => {
    const batchId = newId('batch');
    const one = lineJob(batchId, 1, 1);
    await world.queues.addLines(batchId, [one]);
    expect(await world.queues.absentLines([one])).toEqual([one]);
  });

  it('whose workers die too often still let their batch end', async () => {
    const id = await world.submit(inputOf(2));
    await world.runBatchJob();
    while (await world.runPrepare());
    const queue = modelQueue('generate', MODEL);
    const options = { connection: world.redis, prefix: world.prefix };
    const dead = new Worker(queue, null, { ...options, lockDuration: 100, autorun: false });
    const job = await dead.getNextJob('dead', { block: false });
    await dead.close();
    const failed: string[] = [];
    const worker = new Worker<RequestJob>(queue, ({ data }) => world.answer(data), {
      ...options,
      stalledInterval: 50,
      maxStalledCount: 0,
    });
    worker.on('failed', (lost) => failed.push(lost?.id ?? ''));
    try {
      await expect.poll(() => failed).toEqual([job.id]);
      await expect.poll(() => world.queues.batch.getWaitingCount()).toBe(1);
    } finally {
      await worker.close();
    }
    await world.drain();
    const { output, errors } = await world.results(id);
    expect((await world.record(id)).object.status).toBe('completed');
    expect(output.map((result) => result.custom_id)).toEqual(['c2']);
    expect(errors).toMatchObject([{ custom_id: 'c1', error: { code: 'internal_error' } }]);
  });
});

describe('a chat completion', () => {
  it('can be taken out while nobody works on it', async () => {
    const job = chat();
    await world.queues.addChat(job);
    expect(await world.queues.removeRequest(MODEL, job.requestId)).toBe(true);
    expect(await world.take(modelQueue('prepare', MODEL))).toBeUndefined();
    expect(await world.queues.absentLines([job])).toEqual([job]);
    expect(await world.queues.removeRequest(MODEL, job.requestId)).toBe(true);
  });

  it('stays where somebody does', async () => {
    const job = chat();
    await world.queues.addChat(job);
    const taken = await world.take(modelQueue('prepare', MODEL));
    expect(await world.queues.removeRequest(MODEL, job.requestId)).toBe(false);
    await taken?.job.moveToCompleted({ state: 'prepared' }, taken.token, false);
    expect((await world.take(modelQueue('generate', MODEL)))?.job.id).toBe(job.requestId);
  });

  it('is one although it is added twice', async () => {
    const job = chat();
    await world.queues.addChat(job);
    await world.queues.addChat(job);
    expect(await world.queues.counts(world.queues.prepare(MODEL))).toEqual({ waiting: 1, active: 0, delayed: 0 });
  });
});

describe('a batch', () => {
  it('is one although it is added twice', async () => {
    const job = { batchId: newId('batch'), tenant: TENANT };
    await world.queues.addBatch(job, Date.now() + 60_000);
    await world.queues.addBatch(job, Date.now() + 60_000);
    expect(await world.queues.counts(world.queues.batch)).toEqual({ waiting: 1, active: 0, delayed: 1 });
  });

  it('whose job is lost, or failed for good, is carried on', async () => {
    const job = { batchId: newId('batch'), tenant: TENANT };
    await world.queues.resumeBatch(job);
    const first = await world.take(BATCH_QUEUE);
    expect(first?.job.name).toBe(BATCH_JOBS.run);
    await world.queues.resumeBatch(job);
    expect(await world.take(BATCH_QUEUE)).toBeUndefined();
    await first?.job.moveToFailed(new UnrecoverableError('stalled too often'), first.token, false);
    expect(await world.take(BATCH_QUEUE)).toBeUndefined();
    await world.queues.resumeBatch(job);
    expect((await world.take(BATCH_QUEUE))?.job.id).toBe(job.batchId);
  });
});

it('sweeps are scheduled once, however many workers ask for them', async () => {
  await world.queues.scheduleSweeps(60_000);
  await world.queues.scheduleSweeps(30_000);
  expect(await world.queues.batch.getJobSchedulers()).toMatchObject([{ every: 30_000 }]);
  expect((await world.queues.batch.getJobs(['delayed', 'waiting'])).map(({ name }) => name)).toEqual([
    BATCH_JOBS.sweep,
  ]);
});
