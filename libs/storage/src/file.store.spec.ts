import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileStore } from './file.store.js';
import { LocalFileStore } from './local.file.store.js';
import { S3FileStore } from './s3.file.store.js';
import { FakeS3 } from './testing/fake.s3.js';

/*
 * What every store does, whatever is below. MADAKV_TEST_S3 names a real service beside the fake one:
 * http://KEY:SECRET@host:port/bucket
 */

// Node 20 is what is supported here; the SDK's notice says nothing to a test.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

interface Opened {
  store: FileStore;
  close: () => Promise<void>;
}

const stores: Record<string, () => Promise<Opened>> = {
  async folder() {
    const folder = await mkdtemp(join(tmpdir(), 'madakv-files-'));
    return { store: await LocalFileStore.open(folder), close: () => rm(folder, { recursive: true }) };
  },
  async bucket() {
    const fake = await FakeS3.start('documents');
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const store = new S3FileStore({ bucket: 'documents', prefix: 'files/', endpoint: fake.endpoint, credentials });
    const close = () => {
      store.close();
      fake.stop();
      return Promise.resolve();
    };
    return { store, close };
  },
};
const service = process.env['MADAKV_TEST_S3'];
if (service !== undefined) {
  stores['service'] = () => {
    const url = new URL(service);
    const credentials = { accessKeyId: url.username, secretAccessKey: url.password };
    const prefix = `test-${randomBytes(4).toString('hex')}/`;
    const store = new S3FileStore({ bucket: url.pathname.slice(1), prefix, endpoint: url.origin, credentials });
    return Promise.resolve({ store, close: () => Promise.resolve() });
  };
}

const MIB = 1024 ** 2;
const sha256 = (content: Uint8Array | string) => createHash('sha256').update(content).digest('hex');

async function* pieces(...contents: (Uint8Array | string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const content of contents) {
    await Promise.resolve();
    if (content instanceof Error) throw content;
    yield Buffer.from(content);
  }
}

describe.each(Object.entries(stores))('a store in a %s', (_, open) => {
  let store: FileStore;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ store, close } = await open());
  });
  afterAll(() => close());

  const read = async (key: string) => text(await store.get(key));
  const keys = async (prefix: string) => {
    const found: string[] = [];
    for await (const { key } of store.list(prefix)) found.push(key);
    return found;
  };

  it('gives back what was put, and its size and hash', async () => {
    expect(await store.put('a/hello.txt', pieces('hello ', 'world'))).toEqual({
      bytes: 11,
      sha256: sha256('hello world'),
    });
    expect(await read('a/hello.txt')).toBe('hello world');
    const info = await store.head('a/hello.txt');
    expect(info).toMatchObject({ key: 'a/hello.txt', bytes: 11 });
    expect(Math.abs(Date.now() - Number(info?.modifiedAt))).toBeLessThan(60_000);
  });

  it('keeps an empty file', async () => {
    expect(await store.put('a/empty', new Uint8Array(0))).toEqual({ bytes: 0, sha256: sha256('') });
    expect(await read('a/empty')).toBe('');
    expect((await store.head('a/empty'))?.bytes).toBe(0);
  });

  it('streams a file of many parts', async () => {
    const block = randomBytes(MIB);
    const put = await store.put('a/large', pieces(...Array.from({ length: 20 }, () => block), 'end'));
    expect(put.bytes).toBe(20 * MIB + 3);
    const back = await buffer(await store.get('a/large'));
    expect(sha256(back)).toBe(put.sha256);
    expect(await text(await store.get('a/large', { start: 20 * MIB }))).toBe('end');
  });

  it('reads ranges', async () => {
    await store.put('a/range', Buffer.from('0123456789'));
    const range = async (start: number, length?: number) =>
      text(await store.get('a/range', length === undefined ? { start } : { start, length }));
    expect(await range(0)).toBe('0123456789');
    expect(await range(3, 4)).toBe('3456');
    expect(await range(8, 100)).toBe('89');
    expect(await range(10)).toBe('');
    expect(await range(4, 0)).toBe('');
    await expect(range(11)).rejects.toMatchObject({
      code: 'bad_range',
      message: expect.stringMatching(/10 bytes; byte 11/) as string,
    });
    await expect(range(-1)).rejects.toMatchObject({ code: 'bad_range' });
    await expect(store.get('a/none', { start: 1 })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('replaces a file as a whole, under the eyes of a reader', async () => {
    const old = randomBytes(3 * MIB);
    await store.put('a/replaced', old);
    const reading = await store.get('a/replaced');
    await store.put('a/replaced', Buffer.from('new'));
    expect(sha256(await buffer(reading))).toBe(sha256(old));
    expect(await read('a/replaced')).toBe('new');
  });

  it('leaves what was there when the source fails, early or late', async () => {
    const broken = new Error('the source broke');
    await store.put('a/kept', Buffer.from('before'));
    await expect(store.put('a/kept', pieces('half', broken))).rejects.toBe(broken);
    await expect(store.put('a/kept', pieces(randomBytes(9 * MIB), randomBytes(9 * MIB), broken))).rejects.toBe(broken);
    await expect(store.put('a/never', pieces('half', broken))).rejects.toBe(broken);
    expect(await read('a/kept')).toBe('before');
    expect(await store.head('a/never')).toBeUndefined();
  });

  it('refuses content beyond the limit, and takes it up to it', async () => {
    await store.put('a/limited', pieces('12345'), { maxBytes: 5 });
    await expect(store.put('a/limited', pieces('12345', '6'), { maxBytes: 5 })).rejects.toMatchObject({
      code: 'too_large',
    });
    expect(await read('a/limited')).toBe('12345');
  });

  it('stops when aborted, also while the source has nothing to give', async () => {
    const reason = new Error('the client is gone');
    async function* stuck(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      await new Promise(() => undefined);
    }
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort(reason);
    }, 50);
    await expect(store.put('a/aborted', stuck(), { signal: controller.signal })).rejects.toBe(reason);
    await expect(store.put('a/aborted', pieces('x'), { signal: controller.signal })).rejects.toBe(reason);
    expect(await store.head('a/aborted')).toBeUndefined();
  });

  it('knows what is not there', async () => {
    await expect(store.get('a/missing')).rejects.toMatchObject({
      code: 'not_found',
      message: 'there is no file a/missing',
    });
    expect(await store.head('a/missing')).toBeUndefined();
    expect(await store.head('no/such/folder')).toBeUndefined();
    await store.delete('a/missing');
  });

  it('deletes', async () => {
    await store.put('gone/away/file', Buffer.from('x'));
    await store.delete('gone/away/file');
    await expect(store.get('gone/away/file')).rejects.toMatchObject({ code: 'not_found' });
    expect(await keys('gone/')).toEqual([]);
    await store.put('gone/away/file', Buffer.from('again'));
    expect(await read('gone/away/file')).toBe('again');
  });

  it('lists by prefix, in the order of the keys', async () => {
    const all = ['l/a', 'l/a-1', 'l/a.1/x', 'l/a=1', 'l/b/1', 'l/b/10', 'l/b/2', 'l/b0', 'l/c'];
    for (const key of [...all].reverse()) await store.put(key, Buffer.from(key));
    expect(await keys('l/')).toEqual(all);
    expect(await keys('l/b')).toEqual(['l/b/1', 'l/b/10', 'l/b/2', 'l/b0']);
    expect(await keys('l/b/')).toEqual(['l/b/1', 'l/b/10', 'l/b/2']);
    expect(await keys('l/b/1')).toEqual(['l/b/1', 'l/b/10']);
    expect(await keys('nothing/')).toEqual([]);
    expect(await keys('')).toEqual(expect.arrayContaining(all));
    for await (const info of store.list('l/c')) expect(info).toMatchObject({ key: 'l/c', bytes: 3 });
  });

  it.each([
    '',
    '/',
    '/etc/passwd',
    '..',
    'a/../../b',
    'a/./b',
    'a//b',
    'a/',
    '.partial/x',
    'a/.b',
    'a\\b',
    'a\0b',
    'a b',
    'ä',
    '-a',
    'x'.repeat(200),
    'a/'.repeat(300) + 'a',
  ])('refuses the key %j', async (key) => {
    const refused = expect.objectContaining({ code: 'bad_key' }) as Error;
    await expect(store.put(key, Buffer.from('x'))).rejects.toEqual(refused);
    await expect(store.get(key)).rejects.toEqual(refused);
    await expect(store.head(key)).rejects.toEqual(refused);
    await expect(store.delete(key)).rejects.toEqual(refused);
    expect(() => store.createWriter(key)).toThrow(refused);
    if (key !== '' && !key.endsWith('/')) expect(() => store.list(key)).toThrow(refused);
  });

  it('can be used', async () => {
    await expect(store.check()).resolves.toBeUndefined();
  });

  describe('a writer', () => {
    it('makes a file of its pieces, in order and unmixed, when it is committed', async () => {
      const writer = store.createWriter('w/lines.jsonl');
      const lines = Array.from({ length: 2000 }, (_, line) => `{"line":${line},"text":"${'x'.repeat(line % 300)}"}\n`);
      await Promise.all(lines.map((line) => writer.write(line)));
      expect(await store.head('w/lines.jsonl')).toBeUndefined();
      const content = lines.join('');
      expect(await writer.commit()).toEqual({ bytes: content.length, sha256: sha256(content) });
      expect(await read('w/lines.jsonl')).toBe(content);
    });

    it('leaves what was there when aborted', async () => {
      await store.put('w/aborted', Buffer.from('before'));
      const writer = store.createWriter('w/aborted');
      await writer.write('half');
      await writer.abort();
      expect(await read('w/aborted')).toBe('before');
      await expect(writer.write('more')).rejects.toThrow();
      await expect(writer.commit()).rejects.toThrow();
    });

    it('does not see another on the same key: the last commit stands', async () => {
      const [first, second] = [store.createWriter('w/two'), store.createWriter('w/two')];
      await Promise.all([first.write('first'), second.write('second')]);
      await second.commit();
      expect(await read('w/two')).toBe('second');
      await first.commit();
      expect(await read('w/two')).toBe('first');
    });

    it('refuses to go beyond the limit', async () => {
      const writer = store.createWriter('w/limited', { maxBytes: 10 });
      await writer.write('1234567890');
      await writer.write('1');
      await expect(writer.commit()).rejects.toMatchObject({ code: 'too_large' });
      expect(await store.head('w/limited')).toBeUndefined();
    });

    it('makes an empty file of nothing', async () => {
      expect(await store.createWriter('w/empty').commit()).toMatchObject({ bytes: 0 });
      expect(await read('w/empty')).toBe('');
    });
  });
});
