import { MadakvError, storeKeys } from '@madakv/contracts';
import { Validator } from '@seriousme/openapi-schema-validator';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisConnections } from '../../apps/gateway/src/redis.connections.js';
import { batchInput, errorOf, KEYS, MODEL, TestGateway } from './gateway.fixture.js';
import { sampleFailure, sampleTrace } from './trace.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ MADAKV_GATEWAY_CORS_ORIGINS: '["https://app.example"]' });
});
afterAll(() => gateway.stop());

const ask = (content: string) => ({ model: MODEL, messages: [{ role: 'user' as const, content }] });

/** Every route of the API; `id` is put in where it names something. */
const ROUTES = [
  ['POST', '/v1/files'],
  ['GET', '/v1/files'],
  ['GET', '/v1/files/{id}'],
  ['GET', '/v1/files/{id}/content'],
  ['DELETE', '/v1/files/{id}'],
  ['POST', '/v1/uploads'],
  ['POST', '/v1/uploads/{id}/parts'],
  ['POST', '/v1/uploads/{id}/complete'],
  ['POST', '/v1/uploads/{id}/cancel'],
  ['POST', '/v1/batches'],
  ['GET', '/v1/batches'],
  ['GET', '/v1/batches/{id}'],
  ['POST', '/v1/batches/{id}/cancel'],
  ['POST', '/v1/chat/completions'],
  ['POST', '/v1/responses'],
  ['GET', '/v1/models'],
  ['GET', '/v1/models/{id}'],
  ['GET', '/v1/batches/{id}/lines'],
  ['GET', '/v1/batches/{id}/lines/{line}'],
  ['GET', '/v1/batches/{id}/errors'],
  ['GET', '/v1/batches/{id}/results'],
  ['POST', '/v1/batches/{id}/retry'],
  ['GET', '/v1/requests'],
  ['GET', '/v1/requests/compare'],
  ['GET', '/v1/requests/{id}/trace'],
  ['GET', '/v1/requests/{id}/view'],
  ['GET', '/v1/requests/{id}/heat'],
  ['GET', '/v1/requests/{id}/text'],
  ['GET', '/v1/requests/{id}/images/{index}'],
  ['GET', '/v1/overview'],
  ['GET', '/v1/overview/history'],
  ['GET', '/v1/overview/events'],
  ['GET', '/v1/usage'],
  ['GET', '/v1/session'],
  ['DELETE', '/v1/session'],
  ['POST', '/v1/session/links'],
  ['POST', '/v1/webhooks'],
  ['GET', '/v1/webhooks'],
  ['GET', '/v1/webhooks/{id}'],
  ['POST', '/v1/webhooks/{id}'],
  ['DELETE', '/v1/webhooks/{id}'],
  ['POST', '/v1/webhooks/{id}/rotate'],
  ['GET', '/v1/webhooks/{id}/deliveries'],
  ['POST', '/v1/webhooks/{id}/deliveries/{delivery}/repeat'],
] as const;
/** Those that somebody calls to get in. */
const OPEN_ROUTES = [['POST', '/v1/session']] as const;

describe('without a known key', () => {
  it.each(ROUTES)('%s %s answers 401', async (method, path) => {
    for (const authorization of [undefined, 'Bearer mk-nobody-0123456789', KEYS.acme]) {
      const headers = new Headers(authorization === undefined ? {} : { authorization });
      const response = await fetch(`${gateway.url}${path}`, { method, headers });
      expect(await errorOf(response)).toMatchObject({
        status: 401,
        code: 'invalid_api_key',
        type: 'authentication_error',
      });
    }
  });

  it('the key is not repeated', async () => {
    const headers = { authorization: 'Bearer mk-nobody-0123456789' };
    const { message } = await errorOf(await fetch(`${gateway.url}/v1/models`, { headers }));
    expect(message).toBe('Incorrect API key provided: mk-****6789.');
  });
});

describe("another tenant's things", () => {
  it('are not there, by any route', async () => {
    const client = gateway.client();
    const file = await client.files.create({ file: await toFile(batchInput(1), 'a.jsonl'), purpose: 'batch' });
    const batch = await client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    await gateway.store.put(storeKeys.trace('chatcmpl-1'), Buffer.from(JSON.stringify(trace('chatcmpl-1', 'acme'))));
    expect((await gateway.fetch('/v1/requests/chatcmpl-1/trace')).status).toBe(200);
    for (const [method, path] of [
      ['GET', `/v1/files/${file.id}`],
      ['GET', `/v1/files/${file.id}/content`],
      ['DELETE', `/v1/files/${file.id}`],
      ['GET', `/v1/batches/${batch.id}`],
      ['POST', `/v1/batches/${batch.id}/cancel`],
      ['GET', '/v1/requests/chatcmpl-1/trace'],
      ['GET', '/v1/requests/chatcmpl-1/view'],
      ['GET', '/v1/requests/chatcmpl-1/heat'],
      ['GET', '/v1/requests/chatcmpl-1/text'],
      ['GET', '/v1/requests/chatcmpl-1/images/0'],
      ['GET', '/v1/requests/compare?a=chatcmpl-1&b=chatcmpl-1'],
      ['GET', `/v1/batches/${batch.id}/lines`],
      ['GET', `/v1/batches/${batch.id}/lines/1`],
      ['GET', `/v1/batches/${batch.id}/errors`],
      ['GET', `/v1/batches/${batch.id}/results`],
      ['POST', `/v1/batches/${batch.id}/retry`],
      ['GET', `/v1/files?after=${file.id}`],
      ['GET', `/v1/batches?after=${batch.id}`],
    ]) {
      const error = await errorOf(await gateway.fetch(path, { method, tenant: 'other' }));
      expect([path, error]).toMatchObject([path, { status: 404, code: 'not_found' }]);
    }
    const body = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
    expect((await gateway.postJson('/v1/batches', body, { tenant: 'other' })).status).toBe(404);
    for (const path of ['/v1/files', '/v1/batches']) {
      expect(await (await gateway.fetch(path, { tenant: 'other' })).json()).toMatchObject({
        data: [],
        has_more: false,
      });
    }
    expect((await client.files.retrieve(file.id)).id).toBe(file.id);
  });
});

describe('models and traces', () => {
  it('models are listed and found as workers have announced them', async () => {
    const listed = [];
    for await (const model of gateway.client().models.list()) listed.push(model);
    expect(listed.map(({ id }) => id)).toContain(MODEL);
    const figures = {
      family: 'fake',
      max_positions: 1_000,
      kv_bytes_per_token: 8,
      kv_precision: 'fp32',
      seen_at_ms: 1,
    };
    const model = { id: MODEL, object: 'model', created: 1_700_000_000, owned_by: 'madakv', madakv: figures };
    expect(await gateway.client().models.retrieve(MODEL)).toEqual(model);
    await expect(gateway.client().models.retrieve('nobody')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('a request that failed has a trace as well', async () => {
    const request = { id: 'chatcmpl-failed', tenant: 'acme', model: MODEL };
    const trace = sampleFailure(request, new MadakvError('invalid_document', 'locked'));
    await gateway.store.put(storeKeys.trace(request.id), Buffer.from(JSON.stringify(trace)));
    expect(await (await gateway.fetch(`/v1/requests/${request.id}/trace`)).json()).toEqual(trace);
  });

  it.each(['chatcmpl-none', '..%2F..%2Fetc%2Fpasswd', 'a%2Fb', '%00'])('there is no trace of %s', async (id) => {
    expect(await errorOf(await gateway.fetch(`/v1/requests/${id}/trace`))).toMatchObject({ status: 404 });
  });
});

describe('what no route answers', () => {
  it.each([
    ['GET', '/', 404, 'not_found', null],
    ['GET', '/v1/nothing', 404, 'not_found', null],
    ['PUT', '/v1/files', 405, 'method_not_allowed', 'POST, GET'],
    ['DELETE', '/v1/chat/completions', 405, 'method_not_allowed', 'POST'],
    ['GET', '/v1/batches/batch_1/cancel', 405, 'method_not_allowed', 'POST'],
    ['GET', '/v1/files/%E0%A4%A', 400, 'invalid_request', null],
  ])('%s %s', async (method, path, status, code, allow) => {
    const response = await gateway.fetch(path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await errorOf(response)).toMatchObject({ status, code });
  });
});

it('an address with /v1 missing or twice is answered with the right one', async () => {
  const { message } = await errorOf(await gateway.fetch('/v1/v1/models'));
  expect(message).toBe('Invalid URL (GET /v1/v1/models); did you mean /v1/models?');
  expect((await errorOf(await gateway.fetch('/nothing'))).message).toBe('Invalid URL (GET /nothing)');
});

it.each(['/v1/models/', '/v1/models?api-version=1', '/v1/batches?after='])('%s is answered', async (path) => {
  expect((await gateway.fetch(path)).status).toBe(200);
  const head = await gateway.fetch(path, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

describe('every response', () => {
  it("has the caller's request id where that is sane, and one of its own otherwise", async () => {
    const idFor = async (id: string) =>
      (await gateway.fetch('/v1/models', { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await idFor('mine-1')).toBe('mine-1');
    expect(await idFor('a b')).toMatch(/^req_[0-9a-f]{32}$/);
    expect(await idFor('x'.repeat(129))).toMatch(/^req_/);
    const refused = await gateway.fetch('/v1/nothing', { tenant: 'none' });
    expect(refused.headers.get('x-request-id')).toMatch(/^req_/);
  });

  it('tells what is left of the rate, and nothing of the program', async () => {
    const { headers } = await gateway.fetch('/v1/models');
    expect(headers.get('x-ratelimit-limit-requests')).toBe('600');
    expect(Number(headers.get('x-ratelimit-remaining-requests'))).toBeLessThan(600);
    expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.has('x-powered-by')).toBe(false);
  });

  it('may be read by pages of the origins that are set, and by no others', async () => {
    const originFor = async (origin: string) =>
      (await gateway.fetch('/v1/models', { headers: { origin } })).headers.get('access-control-allow-origin');
    expect(await originFor('https://app.example')).toBe('https://app.example');
    expect(await originFor('https://evil.example')).toBeNull();
  });
});

interface Operation {
  readonly responses: Record<string, object>;
  readonly requestBody?: object;
  readonly parameters: readonly object[];
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, object> };
}

describe('the OpenAPI document', () => {
  it('is valid, has every route, and refers to nothing that is not there', async () => {
    const document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as Document;
    expect(document.openapi).toBe('3.1.0');
    expect(await new Validator().validate({ ...structuredClone(document) })).toEqual({ valid: true });
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual([...ROUTES, ...OPEN_ROUTES].map(([method, path]) => `${method} ${path}`).sort());
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference]) => reference);
    expect(references.length).toBeGreaterThan(50);
    for (const reference of new Set(references)) {
      const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1] ?? reference;
      expect(document.components.schemas).toHaveProperty(name);
    }
    for (const item of Object.values(document.paths).flatMap((path) => Object.values(path))) {
      expect(Object.keys(item.responses)).toEqual(expect.arrayContaining(['200', '401', '429', '500', '503']));
    }
    expect(document.paths['/v1/chat/completions']['post'].requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/ChatRequest' } } },
    });
    const { parameters } = document.paths['/v1/batches']['post'];
    expect(parameters).toMatchObject([{ name: 'Idempotency-Key', in: 'header', required: false }]);
    expect(document.components.schemas['ChatRequest']).toMatchObject({
      required: ['model', 'messages'],
      additionalProperties: false,
      properties: {
        messages: { type: 'array', maxItems: 256 },
        user: { description: 'Ignored.' },
        tools: { description: 'Not supported: only null or an empty one.' },
        madakv: { anyOf: [{ properties: { layout: {} } }, { type: 'null' }] },
      },
    });
  });

  it('can be read by people', async () => {
    const page = await fetch(`${gateway.url}/docs`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('swagger-ui');
  });
});

describe('health', () => {
  it('is told on a port of its own', async () => {
    expect(await (await fetch(`${gateway.healthUrl}/livez`)).json()).toEqual({ status: 'ok' });
    expect((await fetch(`${gateway.healthUrl}/readyz`)).status).toBe(200);
    expect((await fetch(`${gateway.healthUrl}/other`)).status).toBe(404);
    expect((await gateway.fetch('/readyz')).status).toBe(404);
  });
});

it('a request that Redis cannot serve is answered with 503, and with an answer once it is back', async () => {
  expect((await gateway.client().chat.completions.create(ask('say: a'))).choices[0].message.content).toBe('a');
  gateway.app.get<{ main: { disconnect: (again: boolean) => void } }>(RedisConnections).main.disconnect(false);
  expect((await fetch(`${gateway.healthUrl}/readyz`)).status).toBe(503);
  expect(await errorOf(await gateway.fetch('/v1/models'))).toMatchObject({ status: 503, code: 'storage_unavailable' });
});

const trace = (id: string, tenant: string) => sampleTrace({ id, tenant, model: MODEL });
