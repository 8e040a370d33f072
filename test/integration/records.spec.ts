import {
  BATCH_ENDPOINT,
  type AnswerEvent,
  type BatchRecord,
  type BodySource,
  type FilePurpose,
  type FileRecord,
  type Outcome,
} from '@madakv/contracts';
import { AnswerEventReader, connectRedis, persistenceProblems, Records, type RequestRef } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { settlementOf } from './settlement.fixture.js';

let server: RedisServer;
let redis: Redis;
let records: Records;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
beforeEach(() => {
  records = new Records(redis, `{t${randomUUID()}}`);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

function commit(ref: RequestRef, outcome: Outcome): Promise<boolean> {
  return records.outcomes.commit(ref, outcome, settlementOf(ref, outcome));
}

function batch(id: string, { tenant = 'acme', input = 'file-1' } = {}): BatchRecord {
  return {
    tenant,
    inputKey: 'files/file-1',
    cursor: { byte: 0, line: 1 },
    ending: null,
    object: {
      id,
      object: 'batch',
      endpoint: BATCH_ENDPOINT,
      input_file_id: input,
      completion_window: '24h',
      status: 'in_progress',
      created_at: 1,
      request_counts: { total: 9, completed: 0, failed: 0 },
      metadata: null,
    },
  };
}

function file(id: string, purpose: FilePurpose = 'batch', expires?: number): FileRecord {
  const expiry = expires === undefined ? {} : { expires_at: expires };
  return {
    tenant: 'acme',
    key: `files/${id}`,
    sha256: 'ab',
    object: { id, object: 'file', bytes: 1, created_at: 1, filename: 'f', purpose, status: 'processed', ...expiry },
  };
}

function lineRef(line: number, batchId = 'batch_a') {
  const source: BodySource = { kind: 'line', batchId, line, fileKey: 'f', start: 0, length: 1 };
  return { requestId: `${batchId}_${line}`, source };
}

const DONE: Outcome = {
  state: 'completed',
  key: 'k',
  usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
};

describe('batches', () => {
  it('are found by their tenant only, and by workers whose ever they are', async () => {
    await records.batches.create(batch('batch_a'));
    expect(await records.batches.find('acme', 'batch_a')).toEqual(batch('batch_a'));
    expect(await records.batches.find('other', 'batch_a')).toBeUndefined();
    expect(await records.batches.get('batch_a')).toEqual(batch('batch_a'));
    expect(await records.batches.get('batch_b')).toBeUndefined();
  });

  it('are not changed by being created again', async () => {
    await records.batches.create(batch('batch_a'));
    await records.batches.create(batch('batch_a', { input: 'file-2' }));
    expect((await records.batches.get('batch_a'))?.object.input_file_id).toBe('file-1');
    expect((await records.batches.list('acme', { limit: 10 })).data).toHaveLength(1);
  });

  it('are listed newest first, page by page', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await records.batches.create(batch(id));
    await records.batches.create(batch('x', { tenant: 'other' }));
    const page = async (query: { after?: string; order?: 'asc' | 'desc' }): Promise<[string[], boolean]> => {
      const { data, hasMore } = await records.batches.list('acme', { limit: 2, ...query });
      return [data.map(({ object }) => object.id), hasMore];
    };
    expect(await page({})).toEqual([['e', 'd'], true]);
    expect(await page({ after: 'd' })).toEqual([['c', 'b'], true]);
    expect(await page({ after: 'b' })).toEqual([['a'], false]);
    expect(await page({ after: 'a' })).toEqual([[], false]);
    expect(await page({ order: 'asc', after: 'c' })).toEqual([['d', 'e'], false]);
    await expect(page({ after: 'x' })).rejects.toMatchObject({ code: 'not_found', param: 'after' });
  });

  it('are changed in one step against others', async () => {
    await records.batches.create(batch('batch_a'));
    const add = (found: BatchRecord): BatchRecord => ({ ...found, cursor: { byte: found.cursor.byte + 1, line: 1 } });
    await Promise.all(Array.from({ length: 20 }, () => records.batches.update('batch_a', add)));
    expect((await records.batches.get('batch_a'))?.cursor.byte).toBe(20);
    expect((await records.batches.update('batch_a', () => undefined)).cursor.byte).toBe(20);
    await expect(records.batches.update('batch_b', add)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('are open until they have ended', async () => {
    expect(await records.batches.openCount()).toBe(0);
    await records.batches.create(batch('batch_a'));
    await records.batches.create(batch('batch_b'));
    expect((await records.batches.open(10)).sort()).toEqual(['batch_a', 'batch_b']);
    expect(await records.batches.open(1)).toHaveLength(1);
    expect(await records.batches.openCount()).toBe(2);
    await records.batches.update('batch_b', (found) => ({ ...found, object: { ...found.object, status: 'failed' } }));
    expect(await records.batches.open(10)).toEqual(['batch_a']);
  });

  it('count their lines until they have ended', async () => {
    await records.batches.create(batch('batch_a'));
    await commit(lineRef(1), DONE);
    await commit(lineRef(2), { state: 'failed', key: 'k' });
    const expected = { request_counts: { total: 9, completed: 1, failed: 1 }, usage: { total_tokens: 7 } };
    expect((await records.batches.get('batch_a'))?.object).toMatchObject(expected);
    expect((await records.batches.list('acme', { limit: 1 })).data[0].object).toMatchObject(expected);
    const final = { total: 2, completed: 2, failed: 0 };
    await records.batches.update('batch_a', (found) => ({
      ...found,
      object: { ...found.object, status: 'completed', request_counts: final },
    }));
    expect((await records.batches.get('batch_a'))?.object.request_counts).toEqual(final);
  });
});

describe('files', () => {
  it('are listed once, by purpose, without those that are deleted', async () => {
    for (const id of ['a', 'b', 'c']) await records.files.create(file(id, id === 'b' ? 'user_data' : 'batch'));
    await records.files.create(file('a'));
    const ids = async (purpose?: FilePurpose): Promise<string[]> => {
      const { data } = await records.files.list('acme', { limit: 10, ...(purpose === undefined ? {} : { purpose }) });
      return data.map(({ object }) => object.id);
    };
    expect(await ids()).toEqual(['c', 'b', 'a']);
    expect(await ids('batch')).toEqual(['c', 'a']);
    expect(await records.files.delete('other', 'c')).toBeUndefined();
    expect(await records.files.delete('acme', 'c')).toEqual(file('c'));
    expect(await ids()).toEqual(['b', 'a']);
    expect([await records.files.has('a'), await records.files.has('c')]).toEqual([true, false]);
    expect(await records.files.find('other', 'a')).toBeUndefined();
    const many = ['b', 'c', ...Array.from({ length: 1_100 }, (_, i) => `none-${i}`), 'a'];
    const found = await records.files.findMany('acme', many);
    expect(found).toHaveLength(many.length);
    expect(found.flatMap((record, i) => (record === undefined ? [] : [[many[i], record.object.id]]))).toEqual([
      ['b', 'b'],
      ['a', 'a'],
    ]);
    expect(await records.files.findMany('other', ['a'])).toEqual([undefined]);
    expect(await records.files.findMany('acme', [])).toEqual([]);
  });

  it('fill a page from behind those that are not wanted', async () => {
    for (let i = 0; i < 12; i++) await records.files.create(file(`f${i}`, i === 0 || i === 11 ? 'batch' : 'user_data'));
    const { data, hasMore } = await records.files.list('acme', { limit: 2, purpose: 'batch' });
    expect([data.map(({ object }) => object.id), hasMore]).toEqual([['f11', 'f0'], false]);
  });

  it('fill a page from far behind in a few calls', async () => {
    await Promise.all(Array.from({ length: 700 }, (_, i) => records.files.create(file(`f${i}`, 'user_data'))));
    await records.files.create(file('last', 'batch'));
    const calls = vi.spyOn(redis, 'mget');
    const page = await records.files.list('acme', { limit: 1, purpose: 'batch', order: 'asc' });
    expect(page).toEqual({ data: [file('last')], hasMore: false });
    expect(calls.mock.calls.length).toBeLessThan(5);
    calls.mockRestore();
  });

  it('expire in the order of their times', async () => {
    await records.files.create(file('late', 'user_data', 300));
    await records.files.create(file('early', 'user_data', 100));
    await records.files.create(file('never'));
    const ids = async (at: number, most = 10): Promise<string[]> =>
      (await records.files.expired(at, most)).map(({ object }) => object.id);
    expect(await ids(99)).toEqual([]);
    expect(await ids(300)).toEqual(['early', 'late']);
    expect(await ids(300, 1)).toEqual(['early']);
    await records.files.delete('acme', 'early');
    await records.files.create(file('late'));
    expect(await ids(300)).toEqual([]);
  });
});

describe('outcomes', () => {
  it('of lines are written once, and counted once', async () => {
    expect(await records.outcomes.has(lineRef(1))).toBe(false);
    const written = await Promise.all(Array.from({ length: 5 }, () => commit(lineRef(1), DONE)));
    expect(written.filter(Boolean)).toHaveLength(1);
    expect(await commit(lineRef(1), { state: 'failed', key: 'other' })).toBe(false);
    expect(await records.outcomes.find(lineRef(1))).toEqual(DONE);
    expect(await records.outcomes.has(lineRef(1))).toBe(true);
    expect(await redis.hgetall(records.keys.lineCounts('batch_a'))).toEqual({
      completed: '1',
      prompt_tokens: '5',
      cached_tokens: '0',
      completion_tokens: '2',
    });
  });

  it('of chats are written once and forgotten after a day', async () => {
    const ref = { requestId: 'chatcmpl-1', source: { kind: 'body', fileKey: 'f' } as const };
    expect(await commit(ref, DONE)).toBe(true);
    expect(await commit(ref, { state: 'failed', key: 'x' })).toBe(false);
    expect(await records.outcomes.find(ref)).toEqual(DONE);
    expect(await redis.ttl(records.keys.outcome('chatcmpl-1'))).toBeGreaterThan(86_000);
  });

  it('are refusals too, which are nobody’s answer', async () => {
    const refusal = { state: 'refused', customId: 'c', error: { code: 'x', message: 'y' }, answer: null } as const;
    await commit(lineRef(1), DONE);
    await records.outcomes.refuse('batch_a', [
      [1, refusal],
      [2, refusal],
    ]);
    await records.outcomes.refuse('batch_a', []);
    expect(await records.outcomes.ofLines('batch_a', [2, 3, 1])).toEqual([refusal, undefined, DONE]);
    expect(await records.outcomes.find(lineRef(2))).toBeUndefined();
    expect(await records.outcomes.has(lineRef(2))).toBe(true);
    expect(await records.outcomes.ofLines('batch_a', [])).toEqual([]);
    expect(await redis.hget(records.keys.lineCounts('batch_a'), 'failed')).toBe('1');
  });

  it('stand once their batch is closed, also after they are forgotten', async () => {
    await commit(lineRef(1), DONE);
    await records.outcomes.closeLines('batch_a');
    expect(await commit(lineRef(2), DONE)).toBe(false);
    expect(await records.outcomes.find(lineRef(1))).toEqual(DONE);
    await records.outcomes.forgetLines('batch_a');
    expect(await commit(lineRef(1), DONE)).toBe(false);
    expect(await records.outcomes.has(lineRef(1))).toBe(false);
    expect(await redis.ttl(records.keys.lineCounts('batch_a'))).toBeGreaterThan(600_000);
  });
});

describe('answer events', () => {
  const TOKENS: AnswerEvent[] = [0, 1, 2].map((index) => ({ kind: 'token', index, text: `t${index}` }));
  let subscriber: Redis;
  let reader: AnswerEventReader;

  beforeEach(() => {
    subscriber = new Redis(server.url);
    reader = new AnswerEventReader(redis, subscriber, records.keys, 60_000);
  });
  afterEach(() => {
    subscriber.disconnect();
  });

  async function collect(id: string, signal = new AbortController().signal, into: AnswerEvent[] = []) {
    for await (const event of reader.read(id, signal)) into.push(event);
    return into;
  }

  it('come to all readers from the first on, whenever they join, up to the end', async () => {
    await records.events.append('r', TOKENS[0]);
    const early: AnswerEvent[] = [];
    const readings = [collect('r', undefined, early), collect('r'), collect('other', AbortSignal.timeout(1))];
    await expect.poll(() => early.length).toBe(1);
    await records.events.append('r', TOKENS[1]);
    await expect.poll(() => early.length).toBe(2);
    readings.push(collect('r'));
    await records.events.append('r', { kind: 'end' });
    await records.events.append('r', TOKENS[2]);
    const all = [TOKENS[0], TOKENS[1], { kind: 'end' }];
    expect(await Promise.all(readings)).toEqual([all, all, [], all]);
    expect(await redis.pubsub('NUMSUB', records.keys.events('r'))).toEqual([records.keys.events('r'), 0]);
  });

  it('reach a reader when another of the same request has gone', async () => {
    const leaving = new AbortController();
    const [gone, stays]: AnswerEvent[][] = [[], []];
    const first = collect('r', leaving.signal, gone);
    const second = collect('r', undefined, stays);
    await records.events.append('r', TOKENS[0]);
    await expect.poll(() => [gone.length, stays.length]).toEqual([1, 1]);
    leaving.abort();
    await first;
    await records.events.append('r', { kind: 'end' });
    expect(await second).toEqual([TOKENS[0], { kind: 'end' }]);
  });

  it('are found although their announcement was lost', async () => {
    reader = new AnswerEventReader(redis, subscriber, records.keys, 20);
    const events: AnswerEvent[] = [];
    const reading = collect('r', undefined, events);
    await redis.rpush(records.keys.events('r'), JSON.stringify({ kind: 'end' }));
    expect(await reading).toEqual([{ kind: 'end' }]);
  });

  it('end at once for a reader that has given up', async () => {
    expect(await collect('r', AbortSignal.abort())).toEqual([]);
  });
});

it('cancellations are found later and heard at once', async () => {
  const subscriber = new Redis(server.url);
  const heard: string[] = [];
  await records.cancellations.watch(subscriber, (id) => heard.push(id));
  await records.cancellations.cancel('a', 'cancelled');
  await records.cancellations.cancel('b', 'expired');
  expect(await records.cancellations.find(['a', 'b', 'c'])).toEqual(
    new Map([
      ['a', 'cancelled'],
      ['b', 'expired'],
    ]),
  );
  expect(await records.cancellations.find([])).toEqual(new Map());
  await expect.poll(() => heard).toEqual(['a', 'b']);
  subscriber.disconnect();
});

it('models keep the time when they were first announced', async () => {
  const model = { id: 'b', family: 'llava', createdAt: 5, maxPositions: 9, kvBytesPerToken: 3, seenAtMs: 5 };
  await records.models.announce(model);
  await records.models.announce({ ...model, createdAt: 9, seenAtMs: 9 });
  await records.models.announce({ ...model, id: 'a' });
  expect(await records.models.find('b')).toEqual({ ...model, seenAtMs: 9 });
  expect((await records.models.list()).map(({ id }) => id)).toEqual(['a', 'b']);
  const kv = { precision: 'fp16', onDevice: true } as const;
  await records.models.announce({ ...model, kv });
  await records.models.announce({ ...model, seenAtMs: 10 }); // by a worker that only prepares
  expect(await records.models.find('b')).toEqual({ ...model, seenAtMs: 10, kv });
  await records.models.forget('a');
  expect(await records.models.find('a')).toBeUndefined();
});

it('crashes are what began and never ended, by request', async () => {
  const { crashes } = records;
  for (const request of ['r', 'r', 's']) await crashes.begin(request);
  const counts = async (): Promise<number[]> =>
    Promise.all(['r', 's', 't'].map(async (request) => (await crashes.of(request)).count));
  expect(await counts()).toEqual([2, 1, 0]);
  for (const request of ['r', 's', 't']) await crashes.end(request);
  expect(await counts()).toEqual([1, 0, 0]);
  expect(await crashes.of('r')).toEqual({ count: 1, begunAtMs: [expect.any(Number)] });
  expect(await crashes.of('s')).toEqual({ count: 0, begunAtMs: [] });
  expect(await redis.keys(records.keys.crashes('*'))).toEqual([records.keys.crashes('r')]);
});

describe('the check of persistence', () => {
  it('wants an append-only file', async () => {
    expect(await persistenceProblems(redis)).toEqual([expect.stringContaining('appendonly yes')]);
    const durable = await startRedis({ appendOnly: true });
    const connection = new Redis(durable.url);
    expect(await persistenceProblems(connection)).toEqual([]);
    connection.disconnect();
    await durable.stop();
  });

  it('wants no eviction', async () => {
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const problems = await persistenceProblems(redis);
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    expect(problems).toContainEqual(expect.stringContaining('maxmemory-policy is allkeys-lru'));
  });
});

it('a connection says once that it is lost, and comes back', async () => {
  const own = await startRedis({ appendOnly: true });
  const errors: string[] = [];
  const connection = connectRedis(own.url, { name: 'test', maxRetriesPerRequest: null }, (error) =>
    errors.push(error.message),
  );
  await connection.set('a', '1');
  await own.restart();
  expect(await connection.get('a')).toBe('1');
  expect(errors.length).toBeLessThanOrEqual(1);
  connection.disconnect();
  await own.stop();
});
