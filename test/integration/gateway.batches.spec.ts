import { Records } from '@madakv/records';
import { toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ActiveBatches } from '../../apps/gateway/src/limits/active.batches.js';
import { batchInput, errorOf, PDF, TestGateway, type TestTenant } from './gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({
    MADAKV_GATEWAY_TENANT_LIMITS: JSON.stringify({ other: { queuedBatchLines: 10 } }),
  });
});
afterAll(() => gateway.stop());

async function inputFile(tenant: TestTenant = 'acme', lines = 3): Promise<string> {
  const file = await toFile(batchInput(lines), 'input.jsonl');
  return (await gateway.client(tenant).files.create({ file, purpose: 'batch' })).id;
}

const bodyOf = (input_file_id: string) =>
  ({ input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' }) as const;

async function create(tenant: TestTenant = 'acme', lines = 3): Promise<Batch> {
  return gateway.client(tenant).batches.create(bodyOf(await inputFile(tenant, lines)));
}

const statusOf = async (id: string, tenant: TestTenant = 'acme') =>
  (await gateway.client(tenant).batches.retrieve(id)).status;

describe('a batch', () => {
  it('lives through the official client', async () => {
    const client = gateway.client();
    const input = await inputFile();
    const batch = await client.batches.create({ ...bodyOf(input), metadata: { for: 'a test' } });
    expect(batch).toMatchObject({ object: 'batch', input_file_id: input, metadata: { for: 'a test' } });
    expect(batch.expires_at).toBe(batch.created_at + 24 * 3600);
    await expect.poll(() => statusOf(batch.id)).toBe('completed');
    const done = await client.batches.retrieve(batch.id);
    expect(done.request_counts).toEqual({ total: 3, completed: 3, failed: 0 });
    const output = await (await client.files.content(done.output_file_id ?? '')).text();
    const lines = output
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { custom_id: string });
    expect(lines.map(({ custom_id }) => custom_id)).toEqual(['line-1', 'line-2', 'line-3']);
    await expect(client.batches.cancel(batch.id)).rejects.toMatchObject({ status: 409, code: 'conflict' });
  });

  it('says when its files expire, where its creator wished so', async () => {
    const after = { anchor: 'created_at', seconds: 3_600 } as const;
    for (const [output_expires_after, seconds] of [
      [after, 3_600],
      [null, undefined],
    ] as const) {
      const response = await gateway.postJson('/v1/batches', { ...bodyOf(await inputFile()), output_expires_after });
      const { id } = (await response.json()) as Batch;
      expect((await gateway.records.batches.get(id))?.outputExpirySeconds).toBe(seconds);
    }
  });

  it('keeps metadata up to the limits that OpenAI has', async () => {
    const pairs = Array.from({ length: 16 }, (_, i) => [String.fromCharCode(97 + i).repeat(64), 'ü'.repeat(512)]);
    const metadata = Object.fromEntries(pairs) as Record<string, string>;
    const { id } = await gateway.client().batches.create({ ...bodyOf(await inputFile()), metadata });
    expect((await gateway.client().batches.retrieve(id)).metadata).toEqual(metadata);
  });

  it('is cancelled, and its input is not deleted while it runs', async () => {
    const client = gateway.client();
    gateway.worker.batches.run = false;
    const batch = await create();
    await expect(client.files.delete(batch.input_file_id)).rejects.toMatchObject({ status: 409 });
    expect((await client.batches.cancel(batch.id)).status).toBe('cancelling');
    await expect.poll(() => statusOf(batch.id)).toBe('cancelled');
    gateway.worker.batches.run = true;
    expect((await client.files.delete(batch.input_file_id)).deleted).toBe(true);
  });

  it('is listed page by page, newest first', async () => {
    const ids = [await create('other', 1), await create('other', 1), await create('other', 1)].map(({ id }) => id);
    const client = gateway.client('other');
    const listed: string[] = [];
    for await (const { id } of client.batches.list({ limit: 2 })) listed.push(id);
    expect(listed).toEqual(ids.toReversed());
    const filtered = async (query: string): Promise<string[]> => {
      const response = await gateway.fetch(`/v1/batches?${query}`, { tenant: 'other' });
      return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    };
    await expect.poll(() => statusOf(ids[0], 'other')).toBe('completed');
    await gateway.records.batches.update(ids[0], (found) => ({
      ...found,
      object: { ...found.object, status: 'expired', created_at: 1_000 },
    }));
    expect(await filtered('status=expired,failed')).toEqual([ids[0]]);
    expect(await filtered('created_after=1000&created_before=1001')).toEqual([ids[0]]);
    expect(await filtered('created_before=1000')).toEqual([]);
    expect(await filtered('created_after=1001')).toEqual(ids.slice(1).toReversed());
    expect((await gateway.fetch('/v1/batches?status=running')).status).toBe(400);
    const error = await errorOf(await gateway.fetch('/v1/batches?limit=101'));
    expect(error).toMatchObject({ status: 400, param: 'limit' });
    const unknown = await errorOf(await gateway.fetch('/v1/batches?after=batch_none'));
    expect(unknown).toMatchObject({ status: 404, param: 'after' });
  });

  it('gets its job though the gateway died before adding it', async () => {
    const batch = await create();
    await expect.poll(() => statusOf(batch.id)).toBe('completed');
    const record = await gateway.records.batches.get(batch.id);
    if (record === undefined) throw new Error('not stored');
    const id = 'batch_orphan';
    await gateway.records.batches.create({
      ...record,
      ending: null,
      object: { ...batch, id, status: 'validating' } as typeof record.object,
    });
    await expect.poll(() => statusOf(id)).toBe('completed');
  });
});

describe('an Idempotency-Key', () => {
  const post = (body: object, tenant: TestTenant = 'acme', key = 'once') =>
    gateway.postJson('/v1/batches', body, { tenant, headers: { 'idempotency-key': key } });
  const idOf = async (response: Response) => ((await response.json()) as { id: string }).id;

  it('makes one batch of several requests, at the same time or later', async () => {
    const body = bodyOf(await inputFile());
    const ids = await Promise.all([post(body), post(body), post(body)].map(async (response) => idOf(await response)));
    ids.push(await idOf(await post(body)));
    expect(new Set(ids).size).toBe(1);
    const listed = await gateway.client().batches.list({ limit: 100 });
    expect(listed.data.filter(({ id }) => id === ids[0])).toHaveLength(1);
    expect(await idOf(await post(bodyOf(await inputFile('other', 1)), 'other'))).not.toBe(ids[0]);
    expect(await errorOf(await post({ ...body, metadata: { a: 'b' } }))).toMatchObject({ status: 409 });
    expect(await errorOf(await post(body, 'acme', 'x'.repeat(256)))).toMatchObject({ status: 400 });
  });
});

const expiry = (seconds: unknown) => ({ anchor: 'created_at', seconds });

describe('a batch is refused', () => {
  it.each([
    ['{"input', 'invalid_json', null],
    [{}, 'invalid_request', 'input_file_id'],
    [{ ...bodyOf('file-x'), endpoint: '/v1/embeddings' }, 'invalid_request', 'endpoint'],
    [{ ...bodyOf('file-x'), completion_window: '1h' }, 'invalid_request', 'completion_window'],
    [{ ...bodyOf('file-x'), metadata: { a: 1 } }, 'invalid_request', 'metadata.a'],
    [{ ...bodyOf('file-x'), webhook: 'https://a.test' }, 'invalid_request', 'webhook'],
    [{ ...bodyOf('file-x'), output_expires_after: expiry(3_599) }, 'invalid_request', 'output_expires_after.seconds'],
    [
      { ...bodyOf('file-x'), output_expires_after: expiry(2_592_001) },
      'invalid_request',
      'output_expires_after.seconds',
    ],
    [{ ...bodyOf('file-x'), output_expires_after: expiry('3600') }, 'invalid_request', 'output_expires_after.seconds'],
    [
      { ...bodyOf('file-x'), output_expires_after: { seconds: 3_600 } },
      'invalid_request',
      'output_expires_after.anchor',
    ],
    [{ ...bodyOf('file-x'), output_expires_after: 3_600 }, 'invalid_request', 'output_expires_after'],
  ])('whose body is %j', async (body, code, param) => {
    expect(await errorOf(await gateway.postJson('/v1/batches', body))).toMatchObject({ status: 400, code, param });
  });

  it.each([
    ['17 pairs', Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])), 'metadata', '16 pairs'],
    ['a key of 65 characters', { ['k'.repeat(65)]: 'v' }, `metadata.${'k'.repeat(64)}`, '<=64'],
    ['a value of 513 characters', { k: 'v'.repeat(513) }, 'metadata.k', '512'],
    ['a value that is no text', { k: true }, 'metadata.k', 'string'],
  ])('whose metadata has %s', async (_what, metadata, param, limit) => {
    const error = await errorOf(await gateway.postJson('/v1/batches', { ...bodyOf('file-x'), metadata }));
    expect(error).toMatchObject({ status: 400, code: 'invalid_request', param });
    expect(error.message).toContain(limit);
  });

  it('whose body is too large', async () => {
    const error = await errorOf(await gateway.postJson('/v1/batches', 'x'.repeat(65_537)));
    expect(error).toMatchObject({ status: 413, code: 'too_large' });
    expect(error.message).toContain('65536 bytes');
  });

  it('whose input is missing, of another tenant, or no input', async () => {
    const document = await gateway.client().files.create({ file: await toFile(PDF, 'a'), purpose: 'user_data' });
    for (const [id, status] of [
      ['file-none', 404],
      [await inputFile('other', 1), 404],
      [document.id, 400],
    ] as const) {
      const error = await errorOf(await gateway.postJson('/v1/batches', bodyOf(id)));
      expect(error).toMatchObject({ status, param: 'input_file_id' });
    }
  });

  it('whose input is deleted meanwhile: one of the two is refused', async () => {
    gateway.worker.batches.run = false;
    const records = gateway.app.get(Records);
    const input = await inputFile('acme', 1);
    const { files } = gateway.client();
    // The batch comes between the question for batches of the file and its end.
    const forget = records.files.delete.bind(records.files);
    const deleting = vi.spyOn(records.files, 'delete').mockImplementationOnce(async (tenant, id) => {
      await gateway.client().batches.create(bodyOf(input));
      return forget(tenant, id);
    });
    await expect(files.delete(input)).rejects.toMatchObject({ status: 409 });
    deleting.mockRestore();
    expect(await (await files.content(input)).text()).not.toBe('');
    expect((await files.list()).data.map(({ id }) => id)).toContain(input);
    // The file goes between the look for it and the batch.
    const second = await inputFile('acme', 1);
    const active = gateway.app.get(ActiveBatches);
    const add = active.add.bind(active);
    const adding = vi.spyOn(active, 'add').mockImplementationOnce(async (...args) => {
      await files.delete(second);
      await add(...args);
    });
    await expect(gateway.client().batches.create(bodyOf(second))).rejects.toMatchObject({ status: 404 });
    adding.mockRestore();
    expect(await active.using('acme', second)).toBeUndefined();
    gateway.worker.batches.run = true;
  });

  it('that leaves no room for another one at the same time: the other is queued', async () => {
    gateway.worker.batches.run = false;
    const [a, b] = [await inputFile('other', 6), await inputFile('other', 6)];
    const { batches } = gateway.client('other');
    const settled = await Promise.allSettled([a, b].map((id) => batches.create(bodyOf(id))));
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [batch] = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    // Entering it again, as the same request does, does not take it out.
    await gateway.app.get(ActiveBatches).add('other', batch.id, batch.input_file_id, 100);
    expect(await gateway.app.get(ActiveBatches).using('other', batch.input_file_id)).toBe(batch.id);
    gateway.worker.batches.run = true;
    await expect.poll(() => statusOf(batch.id, 'other')).toBe('completed');
  });

  it('whose lines are too many beside those that are queued, until these are done', async () => {
    gateway.worker.batches.run = false;
    const batch = await create('other', 8);
    const input = await inputFile('other', 3);
    const refused = gateway.client('other').batches.create(bodyOf(input));
    await expect(refused).rejects.toMatchObject({ status: 429, code: 'batch_lines_exceeded' });
    await expect(refused).rejects.toThrow('8 are queued and the file has 3; the limit is 10');
    gateway.worker.batches.run = true;
    await expect.poll(() => statusOf(batch.id, 'other')).toBe('completed');
    expect((await gateway.client('other').batches.create(bodyOf(input))).status).toBe('validating');
  });
});
