import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { S3FileStore } from './s3.file.store.js';
import { FakeS3 } from './testing/fake.s3.js';

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
let fake: FakeS3;
let store: S3FileStore;
beforeEach(async () => {
  fake = await FakeS3.start('documents');
  store = new S3FileStore({ bucket: 'documents', prefix: 'files/', endpoint: fake.endpoint, credentials });
});
afterEach(() => {
  store.close();
  fake.stop();
});

describe('S3FileStore', () => {
  it('keeps to its prefix', async () => {
    await store.put('a', Buffer.from('mine'));
    fake.files.set('other/a', { content: Buffer.from('theirs'), modifiedAt: new Date() });
    expect([...fake.files.keys()]).toEqual(['files/a', 'other/a']);
    for await (const { key } of store.list('')) expect(key).toBe('a');
    expect(() => new S3FileStore({ bucket: 'b', prefix: 'files' })).toThrow('the prefix files does not end in a slash');
  });

  it('leaves no upload open when the source fails', async () => {
    async function* breaking(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(randomBytes(20 * 1024 ** 2));
      throw new Error('the source broke');
    }
    await expect(store.put('a', breaking())).rejects.toThrow('the source broke');
    expect(fake.uploads.size).toBe(0);
    expect(fake.files.size).toBe(0);
  });

  it('passes on that the service fails, as something that may pass', async () => {
    await store.put('a', Buffer.from('x'));
    fake.failWith = 503;
    const failed = { code: 'storage_failed', retryable: true };
    await expect(store.put('b', Buffer.from('x'))).rejects.toMatchObject(failed);
    await expect(store.get('a')).rejects.toMatchObject(failed);
    await expect(store.head('a')).rejects.toMatchObject(failed);
    await expect(store.delete('a')).rejects.toMatchObject(failed);
    await expect(store.check()).rejects.toMatchObject(failed);
    await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toMatchObject(failed);
    fake.failWith = undefined;
    expect(await text(await store.get('a'))).toBe('x');
  });

  it('says so too where a part of a long content is refused', async () => {
    let read = 0;
    async function* long(): AsyncGenerator<Uint8Array> {
      for (; read < 12; read++) yield await Promise.resolve(Buffer.alloc(8 * 1024 ** 2));
    }
    fake.failOf = 'PUT';
    fake.failWith = 403;
    await expect(store.put('a', long())).rejects.toMatchObject({ code: 'storage_failed', retryable: true });
    const writer = store.createWriter('a');
    const written = (async () => {
      for (let i = 0; i < 12; i++) await writer.write(Buffer.alloc(8 * 1024 ** 2));
      await writer.commit();
    })();
    await expect(written).rejects.toMatchObject({ code: 'storage_failed' });
    expect(read).toBeLessThan(12);
    expect(fake.files.size).toBe(0);
  });

  it('says so of a content that breaks off', async () => {
    await store.put('a', Buffer.alloc(1_000_000, 1));
    fake.breaksOff = true;
    const failed = text(await store.get('a'));
    await expect(failed).rejects.toMatchObject({ code: 'storage_failed', retryable: true });
    await expect(failed).rejects.toThrow('reading a failed');
    fake.breaksOff = false;
    expect(await text(await store.get('a'))).toHaveLength(1_000_000);
  });

  it('leaves a connection that nobody reads on', async () => {
    await store.put('a', Buffer.alloc(20_000_000, 1));
    for (let i = 0; i < 60; i++) {
      for await (const piece of await store.get('a')) {
        expect((piece as Buffer).length).toBeGreaterThan(0);
        break;
      }
    }
    expect((await store.head('a'))?.bytes).toBe(20_000_000);
  });

  it('says when the bucket or the service is not there', async () => {
    const lost = new S3FileStore({ bucket: 'lost', endpoint: fake.endpoint, credentials });
    await expect(lost.check()).rejects.toThrow(/reaching the bucket lost failed/);
    await expect(lost.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'storage_failed' });
    lost.close();
    fake.stop();
    await expect(store.check()).rejects.toThrow(/ECONNREFUSED/);
  });
});
