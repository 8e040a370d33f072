import { newApiKey } from '@madakv/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, TestGateway } from './gateway.fixture.js';

const [acme, ops] = [newApiKey('acme'), newApiKey('acme', 'ops', { operator: true })];
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ MADAKV_API_KEYS: JSON.stringify([acme.record, ops.record]) });
});
afterAll(() => gateway.stop());

/** As a browser on the gateway's own page sends it. */
function call(method: string, path: string, { cookie = '', body = '', origin = gateway.url } = {}): Promise<Response> {
  const headers: Record<string, string> = { cookie };
  if (origin !== '') headers['origin'] = origin;
  if (body !== '') headers['content-type'] = 'application/json';
  return fetch(`${gateway.url}${path}`, { method, headers, ...(body === '' ? {} : { body }) });
}

async function signIn(key: string): Promise<string> {
  const response = await call('POST', '/v1/session', { body: JSON.stringify({ api_key: key }) });
  expect(response.status).toBe(200);
  return (response.headers.getSetCookie()[0] ?? '').split(';')[0];
}

describe('signing in', () => {
  it('sets a cookie that scripts and other sites cannot use, and Redis knows only its hash', async () => {
    const response = await call('POST', '/v1/session', { body: JSON.stringify({ api_key: acme.key }) });
    expect(await response.json()).toMatchObject({ object: 'session', tenant: 'acme', operator: false });
    const [cookie] = response.headers.getSetCookie();
    expect(cookie).toMatch(/^madakv_session=[\w-]{43}; Max-Age=43200; Path=\/; .*HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain('Secure');
    const token = cookie.slice('madakv_session='.length).split(';')[0];
    const keys = await gateway.records.redis.keys('*session*');
    const values = await Promise.all(keys.map((key) => gateway.records.redis.get(key)));
    expect(keys.length).toBeGreaterThan(0);
    expect([...keys, ...values].join()).not.toContain(token);
    expect([...keys, ...values].join()).not.toContain(acme.key);
  });

  it('behind TLS the cookie goes nowhere without', async () => {
    const response = await fetch(`${gateway.url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-proto': 'https' },
      body: JSON.stringify({ api_key: acme.key }),
    });
    expect(response.headers.getSetCookie()[0]).toContain('Secure');
  });

  it('needs a key that is known, and does not repeat it', async () => {
    const response = await call('POST', '/v1/session', { body: '{"api_key":"mk-nobody-0123456789abcdef"}' });
    expect(response.headers.getSetCookie()).toEqual([]);
    expect(await errorOf(response)).toMatchObject({
      status: 401,
      message: /^Incorrect API key provided: mk-\*\*\*\*cdef/,
    });
    expect((await call('POST', '/v1/session', { body: '{"api_key":1}' })).status).toBe(400);
  });

  it('nobody is signed in by a page of another site', async () => {
    const body = JSON.stringify({ api_key: acme.key });
    const response = await call('POST', '/v1/session', { body, origin: 'https://evil.example' });
    expect(await errorOf(response)).toMatchObject({ status: 403, code: 'cross_site_request' });
  });
});

describe('a session', () => {
  it('is as good as its key, for reading and for changing from the same host', async () => {
    const cookie = await signIn(ops.key);
    const session = await (await call('GET', '/v1/session', { cookie })).json();
    expect(session).toMatchObject({ tenant: 'acme', operator: true, expires_at: expect.any(Number) as number });
    expect((await call('GET', '/v1/batches', { cookie, origin: '' })).status).toBe(200);
    const body = '{"model":"nobody","messages":[{"role":"user","content":"x"}]}';
    expect((await call('POST', '/v1/chat/completions', { cookie, body })).status).toBe(404);
  });

  it('changes nothing at the wish of another site, or of who does not say where it comes from', async () => {
    const cookie = await signIn(acme.key);
    for (const origin of ['https://evil.example', 'null', '']) {
      const response = await call('POST', '/v1/batches/batch_1/cancel', { cookie, origin });
      expect(await errorOf(response)).toMatchObject({ status: 403, code: 'cross_site_request' });
    }
  });

  it('ends when its user says so', async () => {
    const cookie = await signIn(acme.key);
    const response = await call('DELETE', '/v1/session', { cookie });
    expect(response.headers.getSetCookie()[0]).toContain('madakv_session=;');
    expect((await call('GET', '/v1/session', { cookie })).status).toBe(401);
  });

  it('ends when its key is taken back', async () => {
    const gone = await gateway.records.sessions.open({ tenant: 'acme', keySha256: 'f'.repeat(64) }, 60_000);
    const cookie = `madakv_session=${gone.token}`;
    expect((await call('GET', '/v1/session', { cookie })).status).toBe(401);
    expect(await gateway.records.sessions.find(gone.token)).toBeUndefined();
    const moved = await gateway.records.sessions.open({ tenant: 'other', keySha256: acme.record.sha256 }, 60_000);
    expect((await call('GET', '/v1/session', { cookie: `madakv_session=${moved.token}` })).status).toBe(401);
  });
});

it('a link signs in once', async () => {
  const headers = { authorization: `Bearer ${acme.key}` };
  const link = (await (await fetch(`${gateway.url}/v1/session/links`, { method: 'POST', headers })).json()) as {
    token: string;
    path: string;
  };
  expect(link.path).toBe(`/#link=${link.token}`);
  const body = JSON.stringify({ link: link.token });
  const [one, other] = await Promise.all([
    call('POST', '/v1/session', { body }),
    call('POST', '/v1/session', { body }),
  ]);
  expect([one.status, other.status].sort()).toEqual([200, 401]);
  expect((await call('POST', '/v1/session', { body })).status).toBe(401);
});

it('without keys anyone is in, and is the operator', async () => {
  const open = await TestGateway.start({ MADAKV_API_KEYS: '', MADAKV_ALLOW_ANONYMOUS: 'true' });
  try {
    const session = await (await fetch(`${open.url}/v1/session`)).json();
    expect(session).toEqual({ object: 'session', tenant: 'default', operator: true, expires_at: null });
  } finally {
    await open.stop();
  }
});
