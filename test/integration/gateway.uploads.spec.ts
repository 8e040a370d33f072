import {
  MAX_PART_BYTES,
  MAX_PARTS,
  MAX_UPLOAD_BYTES,
  storeKeys,
  uploadedFileId,
  type UploadObject,
  type UploadPart,
} from '@madakv/contracts';
import { DEFAULT_DOCUMENT_LIMITS } from '@madakv/documents';
import { Records } from '@madakv/records';
import type { FileStore } from '@madakv/storage';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { STORE } from '../../apps/gateway/src/gateway.tokens.js';
import { UploadsService } from '../../apps/gateway/src/uploads/uploads.service.js';
import { batchInput, errorOf, formOf, KEYS, PDF, TestGateway, type TestTenant } from './gateway.fixture.js';

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
const complete = (id: string, part_ids: readonly string[], more: object = {}, url?: string): Promise<Response> =>
  gateway.postJson(`/v1/uploads/${id}/complete`, { part_ids, ...more }, {}, url);
const cancel = (id: string): Promise<Response> => gateway.postJson(`/v1/uploads/${id}/cancel`, {});

/** Bytes that count against a tenant's room. */
async function counted(tenant: string): Promise<number> {
  return Number(await gateway.records.redis.get(`{madakv}:stored:${tenant}:sum`));
}

/** The store that the gateway works with. */
const store = (): FileStore => gateway.app.get<FileStore>(STORE);

/** Holds the gateway where it writes the file of an upload, all of it but for its end. */
function holdFile(id: string): { readonly isHeld: Promise<void>; readonly release: () => void } {
  const whole = store();
  const put = whole.put.bind(whole);
  let hold: () => void = () => undefined;
  let release: () => void = () => undefined;
  const isHeld = new Promise<void>((resolve) => {
    hold = resolve;
  });
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const gate = vi.spyOn(whole, 'put').mockImplementation((key, source, options) => {
    if (key !== storeKeys.file(uploadedFileId(id)) || source instanceof Uint8Array) return put(key, source, options);
    gate.mockRestore();
    const content = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of source) {
        yield piece;
        hold();
        await released;
      }
    };
    return put(key, content(), options);
  });
  return { isHeld, release };
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
    const puts = vi.spyOn(store(), 'put');
    const all = await Promise.all(Array.from({ length: 5 }, () => complete(upload.id, parts)));
    // One of them copies it; the others wait.
    expect(puts.mock.calls.map(([key]) => key)).toEqual([storeKeys.file(uploadedFileId(upload.id))]);
    puts.mockRestore();
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
    const other = await gateway.beside();
    try {
      expect((await complete(upload.id, [part, 'part_x'], {}, other.url)).status).toBe(400);
      const done = { status: 'completed', file: { bytes: 10 } };
      expect(await (await complete(upload.id, [part], {}, other.url)).json()).toMatchObject(done);
      expect(await (await complete(upload.id, [part])).json()).toMatchObject(done);
    } finally {
      await other.stop();
    }
  });

  it('waits for the gateway that makes the file, and makes it where that one has died', async () => {
    const upload = await create();
    const part = await add(upload.id, '0123456789');
    const lease = `{madakv}:upload-lease:${upload.id}`;
    await gateway.records.redis.set(lease, 'another gateway');
    let answered = false;
    const done = complete(upload.id, [part]).finally(() => {
      answered = true;
    });
    const claim = async (): Promise<unknown> => (await gateway.records.uploads.find('acme', upload.id))?.completion;
    await expect.poll(claim).toEqual({ partIds: [part], md5: null });
    // What says something else is told at once.
    expect((await complete(upload.id, [part], { md5: md5(Buffer.from('a')) })).status).toBe(409);
    expect(answered).toBe(false);
    // As its end of time would have it.
    await gateway.records.redis.del(lease);
    expect(await (await done).json()).toMatchObject({ status: 'completed', file: { bytes: 10 } });
    expect(await gateway.records.redis.exists(lease)).toBe(0);
  });

  it('keeps Node’s fetch waiting while it is made', async () => {
    const upload = await create();
    const part = await add(upload.id, '0123456789');
    const lease = `{madakv}:upload-lease:${upload.id}`;
    await gateway.records.redis.set(lease, 'another gateway');
    const other = await gateway.beside({ MADAKV_GATEWAY_INTERIM_MS: '50' });
    try {
      const asking = request(`${other.url}/v1/uploads/${upload.id}/complete`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${KEYS.acme}`,
          'content-type': 'application/json',
          'user-agent': 'node',
          connection: 'keep-alive',
        },
      });
      const answer = once(asking, 'response') as Promise<[IncomingMessage]>;
      const interim = once(asking, 'information') as Promise<[{ statusCode: number }]>;
      asking.end(JSON.stringify({ part_ids: [part] }));
      expect((await interim)[0].statusCode).toBe(102);
      await gateway.records.redis.del(lease);
      expect((await answer)[0].statusCode).toBe(200);
      asking.destroy();
    } finally {
      await other.stop();
    }
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
    // It was found out before there was a file of it.
    expect(await gateway.keysBelow(storeKeys.file(uploadedFileId(id)))).toEqual([]);
    expect(await errorOf(await complete(id, [a, b], { md5: 'short' }))).toMatchObject({ status: 400, param: 'md5' });
    const before = await counted('acme');
    const done = await complete(id, [b, a], { md5: right.toUpperCase() });
    expect(await done.json()).toMatchObject({ status: 'completed' });
    // What was not used counts no more.
    expect(await counted('acme')).toBe(before - 5);
  });

  it('but never what somebody else has begun to complete meanwhile', async () => {
    const { id } = await create();
    const part = await add(id, '0123456789');
    const file = holdFile(id);
    const failing = complete(id, [part], { md5: md5(Buffer.from('other')) });
    await file.isHeld;
    const completion = { partIds: [part], md5: null };
    await gateway.records.uploads.update(id, (found) => ({ ...found, completion }));
    file.release();
    expect(await errorOf(await failing)).toMatchObject({ status: 400, param: 'md5' });
    expect((await gateway.records.uploads.find('acme', id))?.completion).toEqual(completion);
    expect((await complete(id, [part])).status).toBe(200);
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
    const before = await counted('acme');
    const { id } = await create();
    const part = await add(id, '0123456789');
    const file = holdFile(id);
    const completing = complete(id, [part]);
    await file.isHeld;
    expect((await cancel(id)).status).toBe(200);
    file.release();
    expect(await errorOf(await completing)).toMatchObject({
      status: 409,
      message: `${id} is cancelled; create another upload.`,
    });
    expect(await gateway.records.files.has(uploadedFileId(id))).toBe(false);
    expect(await gateway.keysBelow(storeKeys.file(uploadedFileId(id)))).toEqual([]);
    expect(await gateway.keysBelow('uploads/')).toEqual([]);
    expect(await counted('acme')).toBe(before);
  });

  it('counts no part that came while it ended', async () => {
    const before = await counted('acme');
    const { id } = await create();
    await add(id, '01234');
    const { uploads } = gateway.app.get(Records);
    const update = uploads.update.bind(uploads);
    // The end has begun, and whoever adds a part has not heard of it.
    const late = vi.spyOn(uploads, 'update').mockImplementationOnce(async (...args) => {
      await add(id, '56789');
      return update(...args);
    });
    expect((await cancel(id)).status).toBe(200);
    late.mockRestore();
    expect(await counted('acme')).toBe(before);
    expect(await gateway.keysBelow('uploads/')).toEqual([]);
  });

  it('is cleared by the next sweep where its end could not', async () => {
    const before = await counted('acme');
    const { id } = await create();
    for (let i = 0; i < 20; i++) await add(id, `part ${i}`);
    const failed = vi.spyOn(store(), 'delete').mockRejectedValueOnce(new Error('the disk is away'));
    expect((await cancel(id)).status).toBe(200);
    failed.mockRestore();
    expect(await gateway.keysBelow(`uploads/${id}`)).not.toEqual([]);
    expect(await gateway.app.get(UploadsService).sweep()).toBe(0);
    expect(await gateway.keysBelow(`uploads/${id}`)).toEqual([]);
    expect(await counted('acme')).toBe(before);
    expect(await gateway.records.redis.zscore(gateway.records.keys.pendingUploads(), id)).toBeNull();
  });

  it('does not expire where it was begun to be completed a moment before', async () => {
    const { id } = await create();
    const part = await add(id, '0123456789');
    const { pendingUploads } = gateway.records.keys;
    await gateway.records.redis.zadd(pendingUploads(), 1_600_000_000, id);
    const { uploads } = gateway.app.get(Records);
    const due = uploads.due.bind(uploads);
    const found = vi.spyOn(uploads, 'due').mockImplementationOnce(async (...args) => {
      const records = await due(...args);
      expect(records.map(({ object }) => object.id)).toContain(id);
      const completion = { partIds: [part], md5: null };
      const expiresAt = Math.floor(Date.now() / 1000) + 3_600;
      await gateway.records.uploads.update(id, (record) => ({ ...record, completion }), { expiresAt });
      return records;
    });
    expect(await gateway.app.get(UploadsService).sweep()).toBe(0);
    found.mockRestore();
    expect(await gateway.keysBelow(`uploads/${id}`)).toHaveLength(1);
    expect((await complete(id, [part])).status).toBe(200);
  });
});

it('finds room that others have left before it refuses an upload for which there is none', async () => {
  const { id } = await create({ bytes: 10 }, 'other');
  await add(id, '0123456789', 'other');
  // Files that workers have deleted: nobody told here.
  const gone = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`file-gone-${i}`, 20_000]));
  await gateway.records.redis.hset('{madakv}:stored:other', gone);
  await gateway.records.redis.incrby('{madakv}:stored:other:sum', 300 * 20_000);
  const large = await create({ bytes: ROOM - 10 }, 'other');
  expect(await counted('other')).toBe(10);
  for (const each of [id, large.id]) await gateway.postJson(`/v1/uploads/${each}/cancel`, {}, { tenant: 'other' });
  expect(await counted('other')).toBe(0);
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
