import { storeKeys, type FileRecord } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Sweeper } from '../../apps/worker/src/batch/index.js';
import { WebhookAnnouncer } from '../../apps/worker/src/webhook/index.js';
import { BatchWorld, inputOf, TENANT } from './batch.world.js';

const HOUR_MS = 3_600_000;

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

/** Sweeps, as if so many hours had passed, the part of what begins with `00`. */
function sweep(hours: number) {
  return new Sweeper({
    records: world.records,
    store: world.store,
    control: world.control,
    announcer: new WebhookAnnouncer(world.records, world.queues),
    intervalMs: Number.MAX_SAFE_INTEGER,
    documentCacheMs: 168 * HOUR_MS,
    traceMs: 720 * HOUR_MS,
    now: () => Date.now() + hours * HOUR_MS,
  }).sweep();
}

async function put(...keys: string[]): Promise<void> {
  for (const key of keys) await world.store.put(key, Buffer.from('x'));
}

function file(id: string, expiresInHours?: number): FileRecord {
  const now = Math.floor(Date.now() / 1_000);
  const expires = expiresInHours === undefined ? {} : { expires_at: now + expiresInHours * 3_600 };
  const object = { id, bytes: 1, created_at: now, filename: 'f', ...expires };
  return {
    tenant: TENANT,
    key: storeKeys.file(id),
    sha256: '',
    object: { ...object, object: 'file', purpose: 'user_data', status: 'processed' },
  };
}

it('deletes pages, texts, traces and requests when they are old enough, and not before', async () => {
  const keys = [
    storeKeys.body('chatcmpl-00a'),
    storeKeys.image('00b'),
    storeKeys.page('00c', 'd', 1),
    storeKeys.text('batch_00c_1'),
    storeKeys.text('chatcmpl-00d.2'),
    storeKeys.trace('batch_00d_1'),
    storeKeys.trace('chatcmpl-00e'),
  ];
  await put(...keys);
  const left = async (hours: number): Promise<string[]> => {
    await sweep(hours);
    return [...(await world.keys('')).sort()];
  };
  expect(await left(23)).toHaveLength(7);
  expect(await left(25)).toEqual([...keys.slice(1)].sort());
  expect(await left(169)).toEqual([...keys.slice(5)].sort());
  expect(await left(721)).toEqual([]);
});

it('leaves other parts of the store for later sweeps', async () => {
  await put(storeKeys.image('01b'));
  expect(await sweep(1_000)).toMatchObject({ deletedKeys: 0 });
});

it('deletes content without a record, such as of an upload that was not finished', async () => {
  await put(storeKeys.file('file-00a'), storeKeys.file('file-00b'));
  await world.records.files.create(file('file-00b'));
  await sweep(25);
  expect(await world.keys('files/')).toEqual([storeKeys.file('file-00b')]);
});

it('deletes parts of uploads that are over, and none of one that is pending', async () => {
  await put(storeKeys.uploadPart('upload_00a', 'part_1'), storeKeys.uploadPart('upload_00b', 'part_1'));
  const object = { id: 'upload_00b', bytes: 1, created_at: 1, filename: 'f', expires_at: 1, file: null };
  await world.records.uploads.create({
    tenant: TENANT,
    object: { ...object, object: 'upload', purpose: 'batch', status: 'pending' },
  });
  await sweep(23);
  expect(await world.keys('uploads/')).toHaveLength(2);
  await sweep(25);
  expect(await world.keys('uploads/')).toEqual([storeKeys.uploadPart('upload_00b', 'part_1')]);
});

it('deletes what a late worker wrote for a batch that has ended, and nothing of one that runs', async () => {
  const record = await world.record(await world.submit(inputOf(1)));
  const object = { ...record.object, id: 'batch_00aa' };
  await world.records.batches.create({ ...record, object });
  await put(storeKeys.prepared('batch_00aa_1'), storeKeys.prepared('batch_00bb_1'));
  // Expiry is not what is tested here.
  await world.records.batches.update('batch_00aa', (found) => ({
    ...found,
    object: { ...found.object, expires_at: Math.floor(Date.now() / 1_000) + 7 * 86_400 },
  }));
  await sweep(25);
  expect(await world.keys('requests/')).toEqual([storeKeys.prepared('batch_00aa_1')]);
});

it('carries on batches whose job is lost, and expires those whose time is over', async () => {
  const lost = await world.submit(inputOf(1));
  await world.queues.batch.remove(lost);
  await world.drain();
  expect((await world.record(lost)).object.status).toBe('validating');
  expect(await sweep(0)).toMatchObject({ openBatches: 1 });
  await world.drain();
  expect((await world.record(lost)).object.status).toBe('completed');

  const late = await world.submit(inputOf(1));
  await sweep(25);
  await world.drain();
  expect((await world.record(late)).object.status).toBe('expired');
  expect(await sweep(25)).toMatchObject({ openBatches: 0 });
});
