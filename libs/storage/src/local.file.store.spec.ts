import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalFileStore } from './local.file.store.js';

let folder: string;
let store: LocalFileStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'madakv-files-'));
  store = await LocalFileStore.open(join(folder, 'root'));
});
afterEach(() => rm(folder, { recursive: true }));

const partials = () => readdir(join(folder, 'root', '.partial'));

describe('LocalFileStore', () => {
  it('leaves nothing half-written behind', async () => {
    await store.put('a', Buffer.from('x'));
    await expect(store.put('b', Buffer.from('long'), { maxBytes: 1 })).rejects.toThrow();
    await store.check();
    expect(await partials()).toEqual([]);
    expect((await readdir(join(folder, 'root'))).sort()).toEqual(['.partial', 'a']);
  });

  it('clears what dead processes left, and nothing that may still be written', async () => {
    const [old, fresh] = ['old', 'fresh'].map((name) => join(folder, 'root', '.partial', name));
    await Promise.all([old, fresh].map((path) => writeFile(path, 'half')));
    const yesterday = Date.now() / 1000 - 25 * 3600;
    await utimes(old, yesterday, yesterday);
    const again = await LocalFileStore.open(join(folder, 'root'));
    expect(await partials()).toEqual(['fresh']);
    for await (const info of again.list('')) expect(info).toBeUndefined();
  });

  it('opens beside a process whose file goes from its work folder to its place in that moment', async () => {
    await symlink(join(folder, 'gone'), join(folder, 'root', '.partial', 'going'));
    await expect(LocalFileStore.open(join(folder, 'root'))).resolves.toBeInstanceOf(LocalFileStore);
  });

  it('is shared: another on the same folder sees the same files', async () => {
    const other = await LocalFileStore.open(join(folder, 'root'));
    await store.put('t/file', Buffer.from('shared'));
    expect(await text(await other.get('t/file'))).toBe('shared');
  });

  it('does not follow symbolic links out of the folder', async () => {
    const outside = join(folder, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(folder, 'root', 'link'));
    await symlink(join(outside, 'secret'), join(folder, 'root', 'file'));
    const refused = { code: 'bad_key' };
    await expect(store.get('link/secret')).rejects.toMatchObject(refused);
    await expect(store.head('link/secret')).rejects.toMatchObject(refused);
    await expect(store.put('link/new', Buffer.from('x'))).rejects.toMatchObject(refused);
    await expect(store.delete('link/secret')).rejects.toMatchObject(refused);
    await expect(store.get('file')).rejects.toMatchObject({ name: 'StorageError' });
    expect(await readdir(outside)).toEqual(['secret']);
    for await (const info of store.list('')) expect(info).toBeUndefined();
  });

  it("refuses a key that is another's folder", async () => {
    await store.put('a/b', Buffer.from('x'));
    await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'bad_key' });
    await expect(store.put('a/b/c', Buffer.from('x'))).rejects.toMatchObject({ code: 'bad_key' });
    await expect(store.get('a')).rejects.toMatchObject({ code: 'not_found' });
    expect(await store.head('a')).toBeUndefined();
    expect(await partials()).toEqual([]);
  });

  it('puts and deletes side by side in folders that come and go', async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let round = 0; round < 10; round++) {
          await store.put(`deep/er/${worker}`, Buffer.from('x'));
          await store.delete(`deep/er/${worker}`);
        }
      }),
    );
    expect(await readdir(join(folder, 'root'))).toEqual(['.partial']);
  });

  it('says what failed below it', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await expect(LocalFileStore.open(file)).rejects.toMatchObject({ code: 'storage_failed', retryable: true });
    await rm(join(folder, 'root'), { recursive: true });
    const failed = { code: 'storage_failed', message: expect.stringMatching(/ENOENT/) as string };
    await expect(store.check()).rejects.toMatchObject(failed);
    await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject(failed);
  });
});
