import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LocalFileStore } from './local.file.store.js';
import { openFileStore } from './open.file.store.js';
import { S3FileStore } from './s3.file.store.js';
import { FakeS3 } from './testing/fake.s3.js';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of endings.splice(0)) await end();
});

describe('openFileStore', () => {
  it('opens a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'madakv-store-'));
    endings.push(() => rm(folder, { recursive: true }));
    const store = await openFileStore(join(folder, 'new'));
    expect(store).toBeInstanceOf(LocalFileStore);
    await store.check();
  });

  it.each([
    ['s3://documents', 'a'],
    ['s3://documents/', 'a'],
    ['s3://documents/some/prefix', 'some/prefix/a'],
    ['s3://documents/some/prefix/', 'some/prefix/a'],
  ])('opens the bucket of %s at the endpoint of the environment', async (setting, stored) => {
    const fake = await FakeS3.start('documents');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test').stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
    vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true');
    const environment = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_ENDPOINT_URL_S3: fake.endpoint };
    const store = await openFileStore(setting, environment);
    expect(store).toBeInstanceOf(S3FileStore);
    endings.push(() => {
      if (store instanceof S3FileStore) store.close();
      fake.stop();
    });
    await store.put('a', Buffer.from('x'));
    expect([...fake.files.keys()]).toEqual([stored]);
  });

  it.each(['s3:', 's3://', 's3:///a', 's3://Bad_Name/a'])('refuses %s', async (setting) => {
    await expect(openFileStore(setting, {})).rejects.toThrow(`${setting} is not a bucket`);
  });
});
