import {
  MAX_PART_BYTES,
  MAX_PARTS,
  MAX_UPLOAD_BYTES,
  storeKeys,
  type UploadObject,
  type UploadPart,
} from '@madakv/contracts';
import { DEFAULT_DOCUMENT_LIMITS } from '@madakv/documents';
import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UploadsService } from '../../apps/gateway/src/uploads/uploads.service.js';
import { batchInput, errorOf, formOf, PDF, TestGateway, type TestTenant } from './gateway.fixture.js';

const ROOM = 8_000_000;
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({
    MADAKV_GATEWAY_TENANT_LIMITS: JSON.stringify({ other: { storedBytes: ROOM } }),
  });
});
afterAll(() => gateway.stop());

const md5 = (content: Buffer): string => createHash('md5').update(content).digest('hex');
const isSome = expect.any(Number) as number;

async function create(body: object = {}, tenant: TestTenant = 'acme'): Promise<UploadObject> {
  const whole = { bytes: 10, filename: 'a.jsonl', mime_type: 'application/jsonl', purpose: 'batch', ...body };
  const response = await gateway.postJson('/v1/uploads', whole, { tenant });
  expect(response.status).toBe(200);
  return (await response.json()) as UploadObject;
}

const post = (id: string, content: Buffer, tenant: TestTenant = 'acme'): Promise<Response> => {
  const form = new FormData();
  form.append('data', new Blob([new Uint8Array(content)]), 'blob');
  return gateway.fetch(`/v1/uploads/${id}/parts`, { method: 'POST', body: form, tenant });
};
async function add(id: string, content: Buffer | string, tenant?: TestTenant): Promise<string> {
  const response = await post(id, Buffer.from(content), tenant);
  expect(response.status).toBe(200);
  return ((await response.json()) as UploadPart).id;
}
const complete = (id: string, part_ids: readonly string[], more: object = {}): Promise<Response> =>
  gateway.postJson(`/v1/uploads/${id}/complete`, { part_ids, ...more });
const cancel = (id: string): Promise<Response> => gateway.postJson(`/v1/uploads/${id}/cancel`, {});

/** Bytes that count against a tenant's room. */
async function counted(tenant: string): Promise<number> {
  return Number(await gateway.records.redis.get(`{madakv}:stored:${tenant}:sum`));
}

/** As if its hour were over. */
async function outlive(id: string): Promise<void> {
  await gateway.records.uploads.update(id, (found) => ({
    ...found,
    object: { ...found.object, expires_at: 1_600_000_000 },
  }));
}

describe('an upload in parts', () => {
  it('lives through the official client: parts at once, in the order that is said in the end, a batch of them', async () => {
    const client = gateway.client();
    const content = batchInput(3);
    const upload = await client.uploads.create({
      bytes: content.length,
      filename: 'ünput.jsonl',
      mime_type: 'application/jsonl',
      purpose: 'batch',
      expires_after: { anchor: 'created_at', seconds: 7_200 },
    });
    expect(upload).toEqual({
      id: expect.stringMatching(/^upload_[0-9a-f]{24}$/) as string,
      object: 'upload',
      bytes: content.length,
      created_at: isSome,
      expires_at: upload.created_at + 3_600,
      filename: 'ünput.jsonl',
      purpose: 'batch',
      status: 'pending',
      file: null,
    });
    const pieces = [content.subarray(0, 100), content.subarray(100, 250), content.subarray(250)];
    const parts = await Promise.all(
      pieces
        .toReversed()
        .map(async (piece) => client.uploads.parts.create(upload.id, { data: await toFile(piece, 'part') })),
    );
    expect(parts[0]).toEqual({
      id: expect.stringMatching(/^part_[0-9a-f]{24}$/) as string,
      object: 'upload.part',
      created_at: isSome,
      upload_id: upload.id,
    });
    const part_ids = parts.toReversed().map(({ id }) => id);
    const done = await client.uploads.complete(upload.id, { part_ids, md5: md5(content) });
    const file = done.file ?? undefined;
    expect(done).toEqual({
      ...upload,
      status: 'completed',
      file: {
        id: expect.stringMatching(/^file-[0-9a-f]{24}$/) as string,
        object: 'file',
        bytes: content.length,
        created_at: isSome,
        expires_at: Number(file?.created_at) + 7_200,
        filename: 'ünput.jsonl',
        purpose: 'batch',
        status: 'processed',
      },
    });
    expect(await client.files.retrieve(file?.id ?? '')).toEqual(file);
    const stored = Buffer.from(await (await client.files.content(file?.id ?? '')).arrayBuffer());
    expect(stored.equals(content)).toBe(true);
    expect(await gateway.keysBelow('uploads/')).toEqual([]);
    const endpoint = '/v1/chat/completions';
    const batch = await client.batches.create({ input_file_id: file?.id ?? '', endpoint, completion_window: '24h' });
    const ended = async () => (await client.batches.retrieve(batch.id)).request_counts;
    await expect.poll(ended).toMatchObject({ total: 3, completed: 3 });
  });

  it('is one file, however often it is completed and by how many at once', async () => {
    const upload = await create();
    const parts = [await add(upload.id, '01234'), await add(upload.id, '56789')];
    const before = await counted('acme');
    const all = await Promise.all(Array.from({ length: 5 }, () => complete(upload.id, parts)));
    const done = await Promise.all(all.map(async (each) => (await each.json()) as UploadObject));
    expect(new Set(done.map(({ status, file }) => `${status} ${file?.id ?? ''}`)).size).toBe(1);
    const again = (await (await complete(upload.id, parts)).json()) as UploadObject;
    expect(again).toMatchObject({ status: 'completed', file: { id: done[0].file?.id, bytes: 10 } });
    expect((await buffer(await gateway.store.get(storeKeys.file(again.file?.id ?? '')))).toString()).toBe('0123456789');
    // It counts once, in place of its parts.
    expect(await counted('acme')).toBe(before);
    expect(await errorOf(await complete(upload.id, parts.toReversed()))).toMatchObject({
      status: 409,
      message: expect.stringContaining('was completed with other parts') as string,
    });
    expect((await cancel(upload.id)).status).toBe(409);
    expect((await post(upload.id, Buffer.from('x'))).status).toBe(409);
  });

  it('goes on at another gateway, also where one died while it made the file', async () => {
    const upload = await create();
    const part = await add(upload.id, '0123456789');
    const claimed = { completion: { partIds: [part], md5: null } };
    await gateway.records.uploads.update(upload.id, (found) => ({ ...found, ...claimed }));
    expect((await complete(upload.id, [part, 'part_x'])).status).toBe(400);
    expect(await (await complete(upload.id, [part])).json()).toMatchObject({
      status: 'completed',
      file: { bytes: 10 },
    });
  });

  it('of a document is told by its content', async () => {
    const document = await create({ bytes: PDF.length, filename: 'a.pdf', purpose: 'user_data' });
    const parts = [await add(document.id, PDF.subarray(0, 3)), await add(document.id, PDF.subarray(3))];
    expect(await (await complete(document.id, parts)).json()).toMatchObject({ file: { purpose: 'user_data' } });
    const text = await create({ bytes: 10, filename: 'a.pdf', purpose: 'user_data' });
    const none = await add(text.id, 'plain text');
    expect(await errorOf(await complete(text.id, [none]))).toMatchObject({
      status: 400,
      code: 'unsupported_media_type',
    });
    expect(await gateway.keysBelow(`uploads/${text.id}`)).toHaveLength(1);
    await cancel(text.id);
    expect(await gateway.keysBelow('uploads/')).toEqual([]);
  });
});

describe('what does not fit together is refused, and can be mended', () => {
  it('bytes, order, md5', async () => {
    const { id } = await create();
    const [a, b, c] = [await add(id, '01234'), await add(id, '56789'), await add(id, 'spare')];
    expect(await errorOf(await complete(id, [a, b, c]))).toMatchObject({
      status: 400,
      param: 'part_ids',
      message: 'The 3 parts have 15 bytes; the upload was created for 10 bytes.',
    });
    expect(await errorOf(await complete(id, [a, a]))).toMatchObject({ status: 400, param: 'part_ids.1' });
    expect(await errorOf(await complete(id, ['part_x', b]))).toMatchObject({
      status: 400,
      param: 'part_ids.0',
      message: `${id} has no part part_x.`,
    });
    expect(await errorOf(await complete(id, []))).toMatchObject({ status: 400, param: 'part_ids' });
    const right = md5(Buffer.from('5678901234'));
    expect(await errorOf(await complete(id, [a, b], { md5: right }))).toMatchObject({
      status: 400,
      param: 'md5',
      message: `The content has the MD5 ${md5(Buffer.from('0123456789'))}; expected ${right}.`,
    });
    expect(await errorOf(await complete(id, [a, b], { md5: 'short' }))).toMatchObject({ status: 400, param: 'md5' });
    const before = await counted('acme');
    const done = await complete(id, [b, a], { md5: right.toUpperCase() });
    expect(await done.json()).toMatchObject({ status: 'completed' });
    // What was not used counts no more.
    expect(await counted('acme')).toBe(before - 5);
  });

  it.each([
    [{ bytes: 0 }, 400, 'bytes', ''],
    [{ bytes: MAX_UPLOAD_BYTES + 1 }, 413, 'bytes', `${MAX_UPLOAD_BYTES} bytes`],
    [
      { bytes: DEFAULT_DOCUMENT_LIMITS.maxDocumentBytes + 1, purpose: 'user_data' },
      413,
      'bytes',
      `${DEFAULT_DOCUMENT_LIMITS.maxDocumentBytes} bytes`,
    ],
    [{ purpose: 'assistants' }, 400, 'purpose', '"batch"|"user_data"'],
    [{ filename: undefined }, 400, 'filename', ''],
    [{ mime: 'a' }, 400, 'mime', 'known are bytes'],
    [{ expires_after: { anchor: 'created_at', seconds: 1 } }, 400, 'expires_after.seconds', '3600'],
  ])('%j', async (change, status, param, message) => {
    const body = { bytes: 10, filename: 'a', mime_type: 'b', purpose: 'batch', ...change };
    const error = await errorOf(await gateway.postJson('/v1/uploads', body));
    expect(error).toMatchObject({ status, param });
    expect(error.message).toContain(message);
  });

  it('parts that are too large, elsewhere in the form, or none', async () => {
    const { id } = await create({ bytes: MAX_PART_BYTES });
    const error = await errorOf(await post(id, Buffer.alloc(MAX_PART_BYTES + 1)));
    expect(error).toMatchObject({ status: 413, param: 'data' });
    expect(error.message).toContain(`${MAX_PART_BYTES} bytes`);
    const other = formOf([['file', Buffer.from('a'), 'a']]);
    expect(
      await errorOf(await gateway.fetch(`/v1/uploads/${id}/parts`, { method: 'POST', body: other })),
    ).toMatchObject({ status: 400, param: 'data' });
    expect(await gateway.keysBelow(`uploads/${id}`)).toEqual([]);
    expect((await post(id, Buffer.alloc(MAX_PART_BYTES))).status).toBe(200);
    expect((await cancel(id)).status).toBe(200);
  });
});

it('has so many parts at most', async () => {
  const { id } = await create();
  const parts = Object.fromEntries(Array.from({ length: MAX_PARTS }, (_, i) => [`part_${i}`, 0]));
  await gateway.records.redis.hset(gateway.records.keys.uploadParts(id), parts);
  const before = await counted('acme');
  expect(await errorOf(await post(id, Buffer.from('a')))).toMatchObject({
    status: 409,
    message: `${id} has ${MAX_PARTS} parts; the limit is ${MAX_PARTS}.`,
  });
  expect(await counted('acme')).toBe(before);
  expect(await gateway.keysBelow(`uploads/${id}`)).toEqual([]);
  expect((await cancel(id)).status).toBe(200);
});

describe('an upload that comes to nothing', () => {
  it('is cancelled, once and for all: its parts are gone and count no more', async () => {
    const before = await counted('acme');
    const { id } = await create();
    const part = await add(id, '0123456789');
    expect(await counted('acme')).toBe(before + 10);
    expect(await (await cancel(id)).json()).toMatchObject({ id, status: 'cancelled', file: null });
    expect(await (await cancel(id)).json()).toMatchObject({ id, status: 'cancelled' });
    expect(await counted('acme')).toBe(before);
    expect(await gateway.keysBelow('uploads/')).toEqual([]);
    for (const refused of [await post(id, Buffer.from('a')), await complete(id, [part])]) {
      expect(await errorOf(refused)).toMatchObject({
        status: 409,
        code: 'conflict',
        message: `${id} is cancelled; create another upload.`,
      });
    }
  });

  it('expires, and is swept with its parts', async () => {
    const before = await counted('acme');
    const [gone, left] = [await create(), await create()];
    const part = await add(gone.id, '0123456789');
    await add(left.id, '01234');
    await outlive(gone.id);
    for (const refused of [await post(gone.id, Buffer.from('a')), await complete(gone.id, [part])]) {
      expect(await errorOf(refused)).toMatchObject({
        status: 409,
        message: `${gone.id} is expired since 2020-09-13T12:26:40.000Z; create another upload.`,
      });
    }
    expect(await gateway.app.get(UploadsService).sweep()).toBe(1);
    expect(await gateway.app.get(UploadsService).sweep()).toBe(0);
    expect((await gateway.records.uploads.find('acme', gone.id))?.object.status).toBe('expired');
    expect(await gateway.keysBelow('uploads/')).toHaveLength(1);
    expect(await counted('acme')).toBe(before + 5);
    await cancel(left.id);
  });

  it('leaves no file where it is cancelled while the file is made', async () => {
    const { id } = await create();
    const part = await add(id, '0123456789');
    const [done, cancelled] = await Promise.all([complete(id, [part]), cancel(id)]);
    const files = (await gateway.client().files.list()).data.filter(({ bytes }) => bytes === 10);
    const { object } = (await gateway.records.uploads.find('acme', id)) ?? {};
    if (object?.status === 'completed') {
      expect([done.status, cancelled.status]).toEqual([200, 409]);
      expect(files.map((file) => file.id)).toContain(object.file?.id);
    } else {
      expect([done.status, cancelled.status]).toEqual([409, 200]);
      expect(await gateway.keysBelow('uploads/')).toEqual([]);
    }
  });
});

it('counts against the tenant’s room, at the beginning and with each part, and is its tenant’s alone', async () => {
  const body = { bytes: ROOM + 1, filename: 'a', mime_type: 'b', purpose: 'batch' };
  expect(await errorOf(await gateway.postJson('/v1/uploads', body, { tenant: 'other' }))).toMatchObject({
    status: 429,
    code: 'storage_quota_exceeded',
  });
  const { id } = await create({ bytes: ROOM - 1 }, 'other');
  await add(id, Buffer.alloc(ROOM - 10, 10), 'other');
  expect(await errorOf(await post(id, Buffer.alloc(11), 'other'))).toMatchObject({ code: 'storage_quota_exceeded' });
  expect(await counted('other')).toBe(ROOM - 10);
  // A look for what workers have deleted does not take a part for it.
  await add(id, Buffer.alloc(10), 'other');
  expect((await post(id, Buffer.alloc(1), 'other')).status).toBe(429);
  expect(await counted('other')).toBe(ROOM);
  for (const path of ['parts', 'complete', 'cancel']) {
    const body = path === 'complete' ? { part_ids: ['part_1'] } : {};
    const refused = path === 'parts' ? await post(id, PDF) : await gateway.postJson(`/v1/uploads/${id}/${path}`, body);
    expect([path, await errorOf(refused)]).toMatchObject([path, { status: 404, code: 'not_found' }]);
  }
  const end = await gateway.postJson(`/v1/uploads/${id}/cancel`, {}, { tenant: 'other' });
  expect(end.status).toBe(200);
  expect(await counted('other')).toBe(0);
});
