import { MAX_BATCH_BYTES, MAX_BATCH_LINES } from '@madakv/contracts';
import { startRedis, type RedisServer } from '@madakv/testing';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { BatchWorld, line, MODEL } from './batch.world.js';

const MEBIBYTE = 1024 ** 2;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is held, not what waits to be collected. */
function liveBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

let redis: RedisServer;
let world: BatchWorld;

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  world = await BatchWorld.open(redis.url, { windowLines: 5_000 });
});
afterEach(() => world.close());
afterAll(() => redis.stop());

it('takes a file of as many lines as are allowed, in bounded memory', async () => {
  // 35 MB, of which one line in 500 names a model that is known.
  const messages = [{ role: 'user', content: 'x'.repeat(500) }];
  const modelOf = (i: number): string => (i % 500 === 0 ? MODEL : 'unknown');
  const ids = Array.from({ length: MAX_BATCH_LINES }, (_, i) => `c${i}`);
  const id = await world.submit(ids.map((name, i) => line(name, { body: { model: modelOf(i), messages } })).join('\n'));
  const before = liveBytes();
  let most = 0;
  const timer = setInterval(() => (most = Math.max(most, liveBytes() - before)), 1_000);
  await world.drain();
  clearInterval(timer);
  const { object } = await world.record(id);
  const runnable = ids.filter((_, i) => modelOf(i) === MODEL);
  expect(object).toMatchObject({
    status: 'completed',
    request_counts: { total: MAX_BATCH_LINES, completed: runnable.length, failed: MAX_BATCH_LINES - runnable.length },
  });
  const { output, errors } = await world.results(id);
  expect(output.map((result) => result.custom_id)).toEqual(runnable);
  expect(errors.map((result) => result.custom_id)).toEqual(ids.filter((_, i) => modelOf(i) !== MODEL));
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(100 * MEBIBYTE);
}, 120_000);

it('refuses a file that is too large without reading it', async () => {
  const id = await world.submit('{}');
  Object.defineProperty(world.store, 'head', {
    value: () => Promise.resolve({ bytes: MAX_BATCH_BYTES + 1 }),
  });
  await world.drain();
  expect((await world.record(id)).object).toMatchObject({
    status: 'failed',
    errors: { data: [{ code: 'file_too_large', message: expect.stringContaining(String(MAX_BATCH_BYTES)) as string }] },
  });
});
