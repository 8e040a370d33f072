import { storeKeys } from '@madakv/contracts';
import type { FileInfo } from '@madakv/storage';
import { expect, it } from 'vitest';
import { Sweeper, type SweeperOptions } from './sweeper.js';

const HOUR_MS = 3_600_000;
const NOW = 1_732_291_721_000;

/** A store of files that were written so many hours ago. */
class FakeStore {
  private readonly files = new Map<string, FileInfo>();

  add(key: string, hours: number): void {
    this.files.set(key, { key, bytes: 1, sha256: '', modifiedAt: new Date(NOW - hours * HOUR_MS) } as FileInfo);
  }

  get keys(): string[] {
    return [...this.files.keys()];
  }

  async *list(prefix: string): AsyncIterable<FileInfo> {
    for (const file of [...this.files.values()]) {
      if (!file.key.startsWith(prefix)) continue;
      await Promise.resolve();
      yield file;
    }
  }

  delete(key: string): Promise<void> {
    this.files.delete(key);
    return Promise.resolve();
  }
}

/** One pass over the part of what begins with `00`. */
function sweep(store: FakeStore) {
  const nothing = { get: () => Promise.resolve(undefined), open: () => Promise.resolve([]) };
  return new Sweeper({
    records: { batches: nothing } as unknown as SweeperOptions['records'],
    store,
    control: {} as never,
    announcer: { announceRest: () => Promise.resolve() },
    intervalMs: Number.MAX_SAFE_INTEGER,
    documentCacheMs: 168 * HOUR_MS,
    traceMs: 720 * HOUR_MS,
    now: () => NOW,
  }).sweep();
}

it('deletes all that is old of one large batch in one pass: its files are in one part of the store', async () => {
  const store = new FakeStore();
  for (let line = 1; line <= 5_000; line++) {
    const id = `batch_00a_${line}`;
    store.add(storeKeys.text(id), 169);
    store.add(storeKeys.trace(id), 721);
    store.add(storeKeys.prepared(id), 25);
  }
  const young = [storeKeys.text('batch_00b_1'), storeKeys.trace('batch_00b_1'), storeKeys.prepared('batch_00b_1')];
  for (const key of young) store.add(key, 23);
  expect(await sweep(store)).toMatchObject({ deletedKeys: 15_000 });
  expect(store.keys).toEqual(young);
});

it('deletes some of what is spread over all parts, and the others the next time', async () => {
  const store = new FakeStore();
  for (let i = 0; i < 2_500; i++) store.add(storeKeys.image(`00${i}`), 169);
  expect(await sweep(store)).toMatchObject({ deletedKeys: 2_000 });
  expect(await sweep(store)).toMatchObject({ deletedKeys: 500 });
});
