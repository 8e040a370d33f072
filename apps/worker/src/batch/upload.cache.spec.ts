import type { FileRecord } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { UploadCache } from './upload.cache.js';

/** Files that are all there, but for `none`. */
class FakeFiles {
  readonly asked: (readonly string[])[] = [];

  findMany(_tenant: string, ids: readonly string[]): Promise<(FileRecord | undefined)[]> {
    this.asked.push(ids);
    return Promise.resolve(ids.map((id) => (id === 'none' ? undefined : ({ sha256: `of ${id}` } as FileRecord))));
  }
}

it('asks for each upload once, and for many together', async () => {
  const files = new FakeFiles();
  const cache = new UploadCache(files, 'acme');
  await cache.prefetch(['a', 'b', 'a', 'none']);
  expect(await Promise.all(['a', 'b', 'none'].map((id) => cache.digestOf(id)))).toEqual(['of a', 'of b', undefined]);
  await cache.prefetch(['b', 'none', 'c']);
  expect(await cache.digestOf('d')).toBe('of d');
  expect(files.asked).toEqual([['a', 'b', 'none'], ['c'], ['d']]);
});

it('forgets some of too many, and not all', async () => {
  const files = new FakeFiles();
  const cache = new UploadCache(files, 'acme');
  const ids = Array.from({ length: 8_192 }, (_, i) => `file-${i}`);
  await cache.prefetch(ids);
  await cache.prefetch(['file-0', 'more']);
  for (const id of [...ids.slice(2), 'file-0', 'more']) await cache.factsOf(id);
  expect(files.asked.map((each) => each.length)).toEqual([8_192, 1]);
  await cache.factsOf('file-1');
  expect(files.asked.at(-1)).toEqual(['file-1']);
});
