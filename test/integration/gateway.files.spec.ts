import { newId, storeKeys } from '@madakv/contracts';
import { DEFAULT_IMAGE_LIMITS } from '@madakv/documents';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFile } from 'openai';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FilesService } from '../../apps/gateway/src/files/files.service.js';
import { batchInput, errorOf, formOf, KEYS, PDF, TestGateway } from './gateway.fixture.js';

const ROOM = 8_000_000;
let gateway: TestGateway;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'madakv-upload-'));
  gateway = await TestGateway.start({
    MADAKV_GATEWAY_TENANT_LIMITS: JSON.stringify({ other: { storedBytes: ROOM } }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await rm(folder, { recursive: true });
});

const upload = (form: FormData | string, init: RequestInit = {}) =>
  gateway.fetch('/v1/files', { method: 'POST', body: form, ...init });

describe('a file', () => {
  it('lives through the official client: uploaded from a stream, read, listed, deleted', async () => {
    const client = gateway.client();
    const path = join(folder, 'ünput.jsonl');
    const content = batchInput(1_000);
    await writeFile(path, content);
    const file = await client.files.create({ file: createReadStream(path), purpose: 'batch' });
    expect(file).toMatchObject({ object: 'file', bytes: content.length, filename: 'ünput.jsonl', purpose: 'batch' });
    expect(await client.files.retrieve(file.id)).toEqual(file);
    const response = await client.files.content(file.id);
    expect(response.headers.get('content-disposition')).toContain("filename*=UTF-8''%C3%BCnput.jsonl");
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    expect(await gateway.keysBelow('files/')).toEqual([]);
  });

  it('has a content whatever its name is', async () => {
    const { id } = await gateway.client().files.create({ file: await toFile(PDF, 'a.pdf'), purpose: 'user_data' });
    const record = await gateway.records.files.find('acme', id);
    if (record === undefined) throw new Error('not stored');
    // As names were kept before.
    await gateway.records.files.create({ ...record, object: { ...record.object, filename: '\ud800.pdf' } });
    const response = await gateway.fetch(`/v1/files/${id}/content`);
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(PDF)).toBe(true);
    await gateway.client().files.delete(id);
  });

  it('ends when its time has come', async () => {
    const client = gateway.client();
    const file = await client.files.create({
      file: await toFile(PDF, 'a.pdf'),
      purpose: 'user_data',
      expires_after: { anchor: 'created_at', seconds: 3_600 },
    });
    expect(file.expires_at).toBe(file.created_at + 3_600);
    const record = await gateway.records.files.find('acme', file.id);
    if (record === undefined) throw new Error('not stored');
    await gateway.records.files.create({ ...record, object: { ...record.object, expires_at: 1_700_000_000 } });
    await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    expect(await gateway.app.get(FilesService).sweep()).toBe(1);
    expect(await gateway.store.head(storeKeys.file(file.id))).toBeUndefined();
    expect(await gateway.records.files.find('acme', file.id)).toBeUndefined();
  });

  it('ends so as the output of a batch, which no upload counts', async () => {
    const id = newId('file');
    await gateway.store.put(storeKeys.file(id), batchInput(1));
    const object = { id, bytes: 1, created_at: 1_600_000_000, expires_at: 1_600_003_600, filename: 'o.jsonl' };
    await gateway.records.files.create({
      tenant: 'acme',
      key: storeKeys.file(id),
      sha256: '',
      object: { ...object, object: 'file', purpose: 'batch_output', status: 'processed' },
    });
    await expect(gateway.client().files.content(id)).rejects.toMatchObject({ status: 404 });
    expect(await gateway.app.get(FilesService).sweep()).toBe(1);
    expect(await gateway.store.head(storeKeys.file(id))).toBeUndefined();
  });

  it('is listed page by page, in either order, by purpose', async () => {
    const client = gateway.client('other');
    const ids: string[] = [];
    for (const purpose of ['batch', 'user_data', 'batch', 'batch'] as const) {
      const file = await toFile(purpose === 'batch' ? batchInput(1) : PDF, 'a');
      ids.push((await client.files.create({ file, purpose })).id);
    }
    const listed: string[] = [];
    for await (const { id } of client.files.list({ limit: 3 })) listed.push(id);
    expect(listed).toEqual(ids.toReversed());
    const first = await client.files.list({ limit: 2, order: 'asc', purpose: 'batch' });
    expect(first).toMatchObject({ has_more: true, data: [{ id: ids[0] }, { id: ids[2] }] });
    expect((await first.getNextPage()).data.map(({ id }) => id)).toEqual([ids[3]]);
    const page = (await (await gateway.fetch('/v1/files?limit=1', { tenant: 'other' })).json()) as object;
    expect(page).toMatchObject({ object: 'list', has_more: true, first_id: ids[3], last_id: ids[3] });
    for (const id of ids) await client.files.delete(id);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=ten', 'limit'],
    ['order=up', 'order'],
    ['purpose=answers', 'purpose'],
  ])('is not listed by ?%s', async (query, param) => {
    expect(await errorOf(await gateway.fetch(`/v1/files?${query}`))).toMatchObject({ status: 400, param });
  });
});

describe('a document', () => {
  it('is told by its content, whatever it is called', async () => {
    const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    for (const content of [PDF, png]) {
      const form = formOf([
        ['file', content, 'document.txt'],
        ['purpose', 'user_data'],
      ]);
      expect((await upload(form)).status).toBe(200);
    }
  });

  it.each(['before', 'after'])('that is none is refused, with its purpose %s it', async (where) => {
    const file = ['file', Buffer.from('plain text'), 'a.pdf'] as const;
    const purpose = ['purpose', 'user_data'] as const;
    const before = await gateway.keysBelow('files/');
    const error = await errorOf(await upload(formOf(where === 'before' ? [purpose, file] : [file, purpose])));
    expect(error).toMatchObject({ status: 400, code: 'unsupported_media_type' });
    expect(await gateway.keysBelow('files/')).toEqual(before);
  });
});

describe('a form', () => {
  const batch = ['purpose', 'batch'] as const;
  const file = ['file', Buffer.from('{}\n'), 'a.jsonl'] as const;
  const open = ['expires_after[anchor]', 'created_at'] as const;
  it.each([
    ['no file', [batch], 'file', 'no file'],
    ['no purpose', [file], 'purpose', 'purpose'],
    ['a wrong purpose', [['purpose', 'fine-tune'], file], 'purpose', '"batch"|"user_data"'],
    ['two files', [batch, file, file], 'file', 'the limit is 1'],
    ['half an expiry', [batch, open, file], 'expires_after', 'both'],
    ['an unknown field', [['purposes', 'batch'], batch, file], 'purposes', 'known are file, purpose'],
    ['too short an expiry', [batch, open, ['expires_after[seconds]', '60'], file], 'expires_after[seconds]', '3600'],
    ['a huge field', [['purpose', 'x'.repeat(2_000)], file], 'purpose', '1024 bytes'],
    ['too many fields', [...Array.from({ length: 30 }, (_, i) => [`f${i}`, ''] as const), file], null, '20 fields'],
  ] as const)('with %s is refused', async (_what, parts, param, message) => {
    const before = await gateway.keysBelow('files/');
    const error = await errorOf(await upload(formOf(parts)));
    expect(error).toMatchObject({ status: 400, code: 'invalid_request', param });
    expect(error.message).toContain(message);
    expect(await gateway.keysBelow('files/')).toEqual(before);
  });

  const broken = '--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhello';
  it.each([
    ['that is JSON', 'application/json', '{}', 415],
    ['without a boundary', 'multipart/form-data', broken, 400],
    ['that breaks off in its file', 'multipart/form-data; boundary=b', broken, 400],
    ['that breaks off in a header', 'multipart/form-data; boundary=b', '--b\r\ncontent-dispo', 400],
    ['without parts', 'multipart/form-data; boundary=b', '--b--\r\n', 400],
  ])('%s is refused', async (_what, type, body, status) => {
    expect(await errorOf(await upload(body, { headers: { 'content-type': type } }))).toMatchObject({ status });
  });

  it('whose sender hangs up leaves nothing', async () => {
    const before = await gateway.keysBelow('');
    const headers = { authorization: `Bearer ${KEYS.acme}`, 'content-type': 'multipart/form-data; boundary=b' };
    const sending = request(`${gateway.url}/v1/files`, { method: 'POST', headers });
    sending.on('error', () => undefined);
    await new Promise((resolve) => sending.write(broken + 'x'.repeat(1_000_000), resolve));
    sending.destroy();
    const { tenant } = { tenant: 'acme' as const };
    const file = await gateway.client(tenant).files.create({ file: await toFile(PDF, 'a.pdf'), purpose: 'user_data' });
    await gateway.client(tenant).files.delete(file.id);
    expect(await gateway.keysBelow('')).toEqual(before);
  });
});

describe('limits', () => {
  it('of a document count while it is uploaded, in either order of the parts', async () => {
    const large = ['file', Buffer.concat([PDF, Buffer.alloc(64 * 1024 ** 2)]), 'a.pdf'] as const;
    const purpose = ['purpose', 'user_data'] as const;
    for (const parts of [
      [purpose, large],
      [large, purpose],
    ]) {
      const error = await errorOf(await upload(formOf(parts)));
      expect(error).toMatchObject({ status: 413, code: 'too_large', param: 'file' });
      expect(error.message).toContain('67108864 bytes');
    }
  });

  it('of a TIFF, which may have many pages, are those of a PDF; of an image its own', async () => {
    const status = async (content: Buffer): Promise<number> => {
      const form = formOf([
        ['purpose', 'user_data'],
        ['file', content, 'scan'],
      ]);
      return (await upload(form)).status;
    };
    const larger = Buffer.alloc(DEFAULT_IMAGE_LIMITS.maxImageBytes + 1_000);
    larger.set(Buffer.from('49492a00', 'hex'));
    expect(await status(larger)).toBe(200);
    larger.set(Buffer.from('89504e470d0a1a0a', 'hex'));
    expect(await status(larger)).toBe(413);
  });

  it('of what a tenant stores come back when it deletes', async () => {
    const client = gateway.client('other');
    const put = async (bytes: number) =>
      client.files.create({ file: await toFile(Buffer.alloc(bytes, 10), 'a'), purpose: 'batch' });
    const file = await put(ROOM - 10);
    const refused = put(11);
    await expect(refused).rejects.toMatchObject({ status: 429, code: 'storage_quota_exceeded' });
    await expect(refused).rejects.toThrow(`${ROOM} bytes`);
    await put(10);
    const full = await gateway.fetch('/v1/files', { method: 'POST', tenant: 'other', body: formOf([]) });
    expect(full.status).toBe(429);
    expect(full.headers.get('retry-after')).toBe('60');
    expect(full.headers.get('x-should-retry')).toBe('false');
    // As a worker does with a file whose time is over.
    await gateway.records.files.delete('other', file.id);
    await put(100);
  });
});
