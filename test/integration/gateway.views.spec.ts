import {
  newApiKey,
  RequestTextSchema,
  storeKeys,
  TraceViewSchema,
  type AnsweredTrace,
  type Comparison,
  type Heat,
  type History,
  type Overview,
  type PromptText,
} from '@madakv/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, MODEL, TestGateway } from './gateway.fixture.js';
import { sampleTrace } from './trace.fixture.js';

const [acme, ops] = [newApiKey('acme'), newApiKey('ops', 'ops', { operator: true })];
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ MADAKV_API_KEYS: JSON.stringify([acme.record, ops.record]) });
});
afterAll(() => gateway.stop());

const as = (key: string, path: string): Promise<Response> =>
  fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${key}` } });

/** Two layers of two heads on a prompt of ten tokens, of which the image has 2 to 7; each head keeps what it is given. */
function traceOf(id: string, kept: readonly (readonly number[])[]): AnsweredTrace {
  const positions = kept.map((tokens) => {
    const bytes = Buffer.alloc(2);
    for (const token of tokens) bytes[token >> 3] |= 1 << (token & 7);
    return bytes.toString('base64');
  });
  const layer = { budget: 2, demand: 3, compensation: -1, rows: 2, kept: [[1, 1]], preference: [[0.5, 0.5]] };
  const sample = sampleTrace({ id, tenant: 'acme', model: MODEL });
  const key = storeKeys.image('picture');
  const place = { start: 2, rows: 2, columns: 3, stride: 3 };
  return {
    ...sample,
    images: [{ part: 'messages.0.content.0', page: null, width: 3, height: 2, tokens: 6, place, key }],
    cache: {
      ...sample.cache,
      modalities: ['text', 'visual'],
      promptTokens: [4, 6],
      layers: [0, 1].map((number) => ({
        ...layer,
        layer: number,
        positions: positions.slice(2 * number, 2 * number + 2),
      })),
    },
  };
}

async function store(trace: AnsweredTrace): Promise<void> {
  await gateway.store.put(storeKeys.trace(trace.id), Buffer.from(JSON.stringify(trace)));
}

const bytesOf = (base64 = ''): number[] => [...Buffer.from(base64, 'base64')];

describe('a trace', () => {
  it('is gathered up for drawing: what was kept where, and where its images stand', async () => {
    await store(traceOf('chatcmpl-v1', [[0, 9], [9], [9, 2], [9]]));
    const view = TraceViewSchema.parse(await (await as(acme.key, '/v1/requests/chatcmpl-v1/view')).json());
    expect(bytesOf(view.heat?.kept)).toEqual([64, 0, 64, 0, 0, 0, 0, 0, 0, 255]);
    expect(view.images).toMatchObject([
      { index: 0, start: 2, rows: 2, columns: 3, stride: 3, tokens: 6, url: '/v1/requests/chatcmpl-v1/images/0' },
    ]);
    expect(view.trace.cache?.layers.map(({ positions, budget }) => [positions, budget])).toEqual([
      [[], 2],
      [[], 2],
    ]);
    const heat = async (query: string): Promise<Heat> =>
      (await (await as(acme.key, `/v1/requests/chatcmpl-v1/heat?${query}`)).json()) as Heat;
    expect(await heat('layer=1&head=0')).toMatchObject({ pairs: 1, layer: 1, head: 0 });
    expect(bytesOf((await heat('layer=1&head=0')).kept)).toEqual([0, 0, 255, 0, 0, 0, 0, 0, 0, 255]);
    expect(bytesOf((await heat('head=1')).kept)[9]).toBe(255);
    for (const query of ['layer=2', 'head=7', 'layer=0&head=2']) {
      expect((await as(acme.key, `/v1/requests/chatcmpl-v1/heat?${query}`)).status).toBe(404);
    }
  });

  it('shows its images to whoever may see it, and names no file of the store', async () => {
    await store(traceOf('chatcmpl-v2', [[0], [0], [0], [0]]));
    const path = '/v1/requests/chatcmpl-v2/images/0';
    expect(await errorOf(await as(acme.key, path))).toMatchObject({ status: 404, message: /not kept any more/ });
    const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
    await gateway.store.put(storeKeys.image('picture'), png);
    const response = await as(acme.key, path);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'cache-control': 'private, max-age=86400, immutable',
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(png);
    expect((await as(ops.key, path)).status).toBe(404);
    for (const index of ['1', '-1', 'x']) {
      expect((await as(acme.key, `/v1/requests/chatcmpl-v2/images/${index}`)).status).toBe(404);
    }
    for (const what of ['trace', 'view']) {
      expect(await (await as(acme.key, `/v1/requests/chatcmpl-v2/${what}`)).text()).not.toContain('images/picture');
    }
  });

  it('has its prompt in words, page by page, for its tenant alone and while they are kept', async () => {
    await store(traceOf('chatcmpl-t', [[0], [0], [0], [0]]));
    const path = '/v1/requests/chatcmpl-t/text';
    expect(await errorOf(await as(acme.key, path))).toMatchObject({ status: 404, message: /is not kept/ });
    const text: PromptText = {
      version: 1,
      tokens: 10,
      runs: [
        { kind: 'special', start: 0, text: '<s>' },
        { kind: 'special', start: 1, text: '<img>' },
        { kind: 'image', start: 2, tokens: 6, image: 0 },
        { kind: 'text', start: 8, pieces: ['Total', '?'] },
      ],
    };
    await gateway.store.put(storeKeys.text('chatcmpl-t'), Buffer.from(JSON.stringify(text)));
    const page = RequestTextSchema.parse(await (await as(acme.key, `${path}?limit=3`)).json());
    expect(page).toMatchObject({ id: 'chatcmpl-t', tokens: 10, next: 8 });
    expect(page.data[2]).toEqual({ kind: 'image', start: 2, tokens: 6, image: 0 });
    const rest = RequestTextSchema.parse(await (await as(acme.key, `${path}?from=${page.next ?? ''}`)).json());
    expect(rest).toMatchObject({
      data: [
        { start: 8, tokens: 1, text: 'Total' },
        { start: 9, text: '?' },
      ],
      next: null,
    });
    // Another tenant, though an operator, is told as little as of a request that never was.
    expect((await as(ops.key, path)).status).toBe(404);
    for (const query of ['from=-1', 'from=x', 'limit=0', 'limit=20000']) {
      expect((await as(acme.key, `${path}?${query}`)).status).toBe(400);
    }
    expect(JSON.stringify(await (await as(acme.key, '/v1/requests/chatcmpl-t/view')).json())).not.toContain('Total');
  });

  it('of the largest model and prompt is gathered in one piece, without its positions', async () => {
    const heads = Array.from({ length: 8 }, (_, head) =>
      Buffer.from(Array.from({ length: 4096 }, (__, at) => (at * 37 + head * 11) % 64)).toString('base64'),
    );
    const sample = traceOf('chatcmpl-large', []);
    const [layer] = sample.cache.layers;
    const layers = Array.from({ length: 80 }, (_, number) => ({ ...layer, layer: number, positions: heads }));
    await store({ ...sample, cache: { ...sample.cache, promptTokens: [768, 32_000], layers } });
    const view = TraceViewSchema.parse(await (await as(acme.key, '/v1/requests/chatcmpl-large/view')).json());
    expect(view.heat).toMatchObject({ pairs: 640, tokens: 32_768 });
    expect(bytesOf(view.heat?.kept)).toHaveLength(32_768);
  });

  it('is compared with another one row by row, where both have the same shape', async () => {
    await store(traceOf('chatcmpl-a', [[0, 9], [9], [9, 2], [9]]));
    await store(traceOf('chatcmpl-b', [[9], [9], [2, 3], [1]]));
    await store({ ...traceOf('chatcmpl-c', [[9], [9], [9], [9]]), model: 'another' });
    const compare = async (a: string, b: string): Promise<Comparison> =>
      (await (await as(acme.key, `/v1/requests/compare?a=${a}&b=${b}`)).json()) as Comparison;
    expect(await compare('chatcmpl-a', 'chatcmpl-b')).toMatchObject({
      comparable: true,
      rows: { both: 3, only_a: 3, only_b: 2, overlap: 3 / 8 },
      layers: [
        { layer: 0, both: 2, only_a: 1, only_b: 0 },
        { layer: 1, both: 1, only_a: 2, only_b: 2 },
      ],
    });
    expect(await compare('chatcmpl-a', 'chatcmpl-a')).toMatchObject({ rows: { overlap: 1 } });
    expect(await compare('chatcmpl-a', 'chatcmpl-c')).toMatchObject({ comparable: false, rows: null, layers: [] });
  });
});

describe('the overview', () => {
  const worker = {
    id: 'w1',
    roles: ['generate'],
    model: MODEL,
    state: 'ready',
    progress: null,
    provider: 'cpu',
    precision: 'fp32',
    kvPrecision: 'fp32',
    memoryBytes: 1,
    device: { id: 'd1', capacityBytes: 100, leasedBytes: 60, allocatedBytes: 20, leases: 2, waiting: 1 },
  };

  it('shows a tenant its own, and an operator the system', async () => {
    const now = Date.now();
    await gateway.records.workers.announce({ ...worker, seenAtMs: now });
    await gateway.records.workers.announce({ ...worker, id: 'w0', seenAtMs: now - 60_000 });
    const ended = { model: MODEL, batchId: null, customId: null, endedAtMs: now, totalMs: 500 };
    const answer = { errorCode: null, firstTokenMs: 200, grantedRatio: 0.2, fullBytes: 1_000, keptBytes: 250 };
    const failure = { firstTokenMs: null, grantedRatio: null, fullBytes: null, keptBytes: null };
    await gateway.records.activity.ended({ id: 'r1', tenant: 'acme', ...ended, ...answer });
    await gateway.records.activity.ended({ id: 'r2', tenant: 'acme', ...ended, ...failure, errorCode: 'timeout' });
    await gateway.records.activity.ended({ id: 'r3', tenant: 'other', ...ended, ...answer, firstTokenMs: 400 });
    const mine = (await (await as(acme.key, '/v1/overview')).json()) as Overview;
    expect(mine).toMatchObject({
      scope: 'tenant',
      last_minutes: { answers: 1, errors: 1, first_token_ms: 200, granted_ratio: 0.2, kept_bytes: 250 },
      errors: [{ code: 'timeout', count: 1 }],
      queues: [],
      devices: [],
      workers: [],
    });
    const all = (await (await as(ops.key, '/v1/overview')).json()) as Overview;
    expect(all).toMatchObject({ scope: 'system', last_minutes: { answers: 2, first_token_ms: 300 } });
    expect(all.workers.map(({ id }) => id)).toEqual(['w1']);
    expect(all.devices).toMatchObject([{ id: 'd1', leased_bytes: 60, kept_bytes: 20, free_bytes: 40 }]);
    expect(all.queues.map(({ model }) => model)).toContain(MODEL);
    const history = (await (await as(ops.key, '/v1/overview/history?minutes=60')).json()) as History;
    expect(history.points).toHaveLength(60);
    expect(history.points.reduce((sum, { answers }) => sum + answers, 0)).toBe(2);
    expect(history.points.some((point) => point.leased_bytes === 60)).toBe(true);
    const own = (await (await as(acme.key, '/v1/overview/history')).json()) as History;
    expect(own.points).toHaveLength(240);
    expect(own.points.every((point) => point.capacity_bytes === null)).toBe(true);
    const recent = (await (await as(acme.key, '/v1/requests')).json()) as { data: object[] };
    expect(recent.data).toMatchObject([
      { id: 'r2', status: 'failed', error_code: 'timeout', kept_ratio: null },
      { id: 'r1', status: 'completed', kept_ratio: 0.25 },
    ]);
    expect(await (await as(ops.key, '/v1/requests')).json()).toMatchObject({ data: [] });
  });

  it('comes as a stream, until who looks has gone', async () => {
    const gone = new AbortController();
    const response = await fetch(`${gateway.url}/v1/overview/events`, {
      headers: { authorization: `Bearer ${acme.key}` },
      signal: gone.signal,
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    let text = '';
    for await (const piece of response.body ?? []) {
      text += Buffer.from(piece as Uint8Array).toString();
      if (text.split('\n\n').length > 3) break;
    }
    gone.abort();
    const [retry, ...events] = text.split('\n\n').slice(0, 3);
    // A browser comes back at once when the stream has had its minute.
    expect(retry).toBe('retry: 500');
    for (const event of events) {
      expect(JSON.parse(event.replace('data: ', ''))).toMatchObject({ object: 'overview', tenant: 'acme' });
    }
  });
});
