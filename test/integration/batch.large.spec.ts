import { MAX_BATCH_LINES, MAX_UPLOAD_BYTES } from '@madakv/contracts';
import type { FileStore } from '@madakv/storage';
import { collectGarbage, startRedis, type RedisServer } from '@madakv/testing';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { BatchWorld, line, MODEL } from './batch.world.js';

/** What is held, not what waits to be collected. */
function liveBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Calls `look` each time so many pieces were read from files, or written to them: at the same places on any machine. */
function watch(store: FileStore, look: () => void): void {
  const [get, createWriter] = [store.get.bind(store), store.createWriter.bind(store)];
  const counter = (every: number) => {
    let count = 0;
    return (): void => {
      if (++count % every === 0) look();
    };
  };
  const [hasRead, hasWritten] = [counter(40), counter(4_000)];
  store.get = async (...args) => {
    const source = await get(...args);
    const watched = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of source) {
        hasRead();
        yield piece as Uint8Array;
      }
    };
    return Readable.from(watched(), { objectMode: false });
  };
  store.createWriter = (...args) => {
    const writer = createWriter(...args);
    return {
      write: (piece) => {
        hasWritten();
        return writer.write(piece);
      },
      commit: () => writer.commit(),
      abort: () => writer.abort(),
    };
  };
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

const ids = Array.from({ length: MAX_BATCH_LINES }, (_, i) => `c${i}`);
const messages = [{ role: 'user', content: 'x'.repeat(500) }];
/** One line in 500 names a model that is known. */
const modelOf = (i: number): string => (i % 500 === 0 ? MODEL : 'unknown');

/** In a function of its own, so that nothing holds the content afterwards. */
function largestFile(): Buffer {
  return Buffer.from(ids.map((name, i) => line(name, { body: { model: modelOf(i), messages } })).join('\n'));
}

it('sees what is held, and only that', () => {
  const before = liveBytes();
  const held = [largestFile()];
  const bytes = held[0].length;
  expect(liveBytes() - before).toBeGreaterThan(0.9 * bytes);
  held.pop();
  expect(liveBytes() - before).toBeLessThan(0.1 * bytes);
});

it('takes a file of as many lines as are allowed, in a fraction of the file’s memory', async () => {
  const fileBytes = largestFile().length;
  const id = await world.submit(largestFile());
  const before = liveBytes();
  const held: number[] = [];
  watch(world.store, () => held.push(liveBytes() - before));
  await world.drain();
  expect(held.length).toBeGreaterThan(20);
  expect(Math.max(...held)).toBeLessThan(fileBytes / 2);
  const { object } = await world.record(id);
  const runnable = ids.filter((_, i) => modelOf(i) === MODEL);
  expect(object).toMatchObject({
    status: 'completed',
    request_counts: { total: MAX_BATCH_LINES, completed: runnable.length, failed: MAX_BATCH_LINES - runnable.length },
  });
  const { output, errors } = await world.results(id);
  expect(output.map((result) => result.custom_id)).toEqual(runnable);
  expect(errors.map((result) => result.custom_id)).toEqual(ids.filter((_, i) => modelOf(i) !== MODEL));
}, 300_000);

it('refuses a file that is too large without reading it', async () => {
  const id = await world.submit('{}');
  Object.defineProperty(world.store, 'head', {
    value: () => Promise.resolve({ bytes: MAX_UPLOAD_BYTES + 1 }),
  });
  await world.drain();
  expect((await world.record(id)).object).toMatchObject({
    status: 'failed',
    errors: {
      data: [{ code: 'file_too_large', message: expect.stringContaining(String(MAX_UPLOAD_BYTES)) as string }],
    },
  });
});
