import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { errorOf, KEYS, MODEL, TestGateway, UNSERVED } from './gateway.fixture.js';

const running: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop();
});

async function start(environment: Record<string, string>): Promise<TestGateway> {
  const gateway = await TestGateway.start(environment);
  running.push(gateway);
  return gateway;
}

const ask = (content: string, model = MODEL) => ({ model, messages: [{ role: 'user' as const, content }] });

describe('limits of a tenant', () => {
  it('the rate is counted for each alone, and says when to come back', async () => {
    const gateway = await start({ MADAKV_GATEWAY_LIMITS: '{"requestsPerMinute": 3}' });
    for (let i = 0; i < 3; i++) expect((await gateway.fetch('/v1/models')).status).toBe(200);
    const response = await gateway.fetch('/v1/models');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    const [seconds, ms] = ['retry-after', 'retry-after-ms'].map((name) => Number(response.headers.get(name)));
    expect(seconds).toBe(Math.ceil(ms / 1000));
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThanOrEqual(60_000);
    expect(response.headers.get('x-should-retry')).toBe('true');
    const error = await errorOf(response);
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(error.message).toContain('3 requests a minute');
    expect((await gateway.fetch('/v1/models', { tenant: 'other' })).status).toBe(200);
    expect((await gateway.fetch('/v1/models', { tenant: 'none' })).status).toBe(401);
  });

  it('chat completions at a time come free when they end', async () => {
    const gateway = await start({ MADAKV_GATEWAY_LIMITS: '{"concurrentChats": 1}' });
    const caller = new AbortController();
    const first = gateway.client().chat.completions.create(ask('hang: a'), { signal: caller.signal });
    first.catch(() => undefined);
    await expect.poll(() => gateway.worker.hanging).toHaveLength(1);
    const second = gateway.client().chat.completions.create(ask('say: a'));
    await expect(second).rejects.toMatchObject({ status: 429, code: 'concurrent_chats_exceeded' });
    const other = await gateway.client('other').chat.completions.create(ask('say: a'));
    expect(other.choices[0].message.content).toBe('a');
    caller.abort();
    await expect
      .poll(async () => (await gateway.postJson('/v1/chat/completions', ask('say: b'))).status, { interval: 100 })
      .toBe(200);
  });

  it('a body is refused by its size', async () => {
    const gateway = await start({ MADAKV_GATEWAY_MAX_BODY_BYTES: '1024' });
    const error = await errorOf(await gateway.postJson('/v1/chat/completions', ask('x'.repeat(1_024))));
    expect(error).toMatchObject({ status: 413, code: 'too_large' });
    expect(error.message).toContain('1024 bytes');
  });
});

describe('time', () => {
  it('a chat completion without an answer is cancelled, and answered with 504', async () => {
    const gateway = await start({ MADAKV_GATEWAY_REQUEST_TIMEOUT_MS: '1000' });
    const [waiting, working] = await Promise.all([
      gateway.postJson('/v1/chat/completions', ask('say: a', UNSERVED)),
      gateway.postJson('/v1/chat/completions', ask('hang: a')),
    ]);
    for (const response of [waiting, working]) {
      const error = await errorOf(response);
      expect(error).toMatchObject({ status: 504, code: 'timeout' });
      expect(error.message).toContain('1000 ms. A batch (POST /v1/batches) may take longer.');
      // The official clients would only wait as long once more, and again.
      expect(response.headers.get('x-should-retry')).toBe('false');
    }
    await expect.poll(() => gateway.worker.cancelled).toEqual(gateway.worker.hanging);
    await expect.poll(() => gateway.keysBelow('requests/')).toEqual([]);
  });
});

type Dispatcher = NonNullable<RequestInit['dispatcher']>;

describe("Node's fetch, which gives up when no header comes", () => {
  /** As its 300 seconds are to the interval of interim responses. In milliseconds. */
  const [HEADERS_MS, INTERIM_MS] = [4_000, 500];

  /** The official client over Node's own fetch, less patient than usual. */
  async function impatient(gateway: TestGateway): Promise<OpenAI> {
    // What everybody shares is there once it was used; its class is not to be had in another way.
    await fetch(`${gateway.healthUrl}/livez`);
    const name = Object.getOwnPropertySymbols(globalThis).find(({ description = '' }) =>
      description.startsWith('undici.globalDispatcher'),
    );
    if (name === undefined) throw new Error("Node's fetch has no dispatcher");
    const shared = Reflect.get(globalThis, name) as Dispatcher;
    const Agent = shared.constructor as new (options: { headersTimeout: number }) => Dispatcher;
    const dispatcher = new Agent({ headersTimeout: HEADERS_MS });
    return new OpenAI({
      apiKey: KEYS.acme,
      baseURL: `${gateway.url}/v1`,
      maxRetries: 0,
      fetch: (url, init) => fetch(url, { ...init, dispatcher }),
    });
  }

  it('waits for a plain answer as long as it takes, and gets it as it is', async () => {
    const gateway = await start({ MADAKV_GATEWAY_INTERIM_MS: String(INTERIM_MS) });
    const client = await impatient(gateway);
    const answered = client.chat.completions.create(ask('late: a|b'));
    const failed = client.chat.completions.create(ask('hang: a'));
    answered.catch(() => undefined);
    failed.catch(() => undefined);
    await expect.poll(() => gateway.worker.hanging).toHaveLength(2);
    await new Promise((resolve) => setTimeout(resolve, 2.5 * HEADERS_MS));
    gateway.worker.release();
    for (const id of gateway.worker.hanging) await gateway.records.cancellations.cancel(id, 'cancelled');
    expect((await answered).choices[0].message.content).toBe('ab');
    await expect(failed).rejects.toMatchObject({ status: 499, code: 'cancelled' });
  });

  it('is the only one to get interim responses', async () => {
    const gateway = await start({ MADAKV_GATEWAY_INTERIM_MS: '50' });
    const seen: number[] = [];
    const asking = request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEYS.acme}`, 'content-type': 'application/json', connection: 'keep-alive' },
    });
    asking.on('information', ({ statusCode }) => seen.push(statusCode));
    asking.end(JSON.stringify(ask('late: a')));
    const response = once(asking, 'response') as Promise<[IncomingMessage]>;
    await expect.poll(() => gateway.worker.hanging).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    gateway.worker.release();
    const [{ statusCode }] = await response;
    expect([seen, statusCode]).toEqual([[], 200]);
    asking.destroy();
  });
});

describe('the end', () => {
  it('lets a stream finish, and accepts nothing new', async () => {
    const gateway = await start({ MADAKV_GATEWAY_GRACE_MS: '20000' });
    const stream = await gateway.client().chat.completions.create({ ...ask('hang: a'), stream: true });
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const { choices } of stream) pieces.push(choices[0].delta.content ?? '');
    })();
    reading.catch(() => undefined);
    await expect.poll(() => pieces).toContain('a');
    const closing = gateway.app.close();
    await expect.poll(async () => (await fetch(`${gateway.healthUrl}/readyz`)).status).toBe(503);
    await expect(fetch(`${gateway.url}/v1/models`)).rejects.toThrow('fetch failed');
    // The answer comes while the gateway waits: here it is the worker's error.
    await gateway.records.cancellations.cancel(gateway.worker.hanging[0], 'cancelled');
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
    await closing;
  });

  it('tells those who take longer than the grace period, and cancels what they asked', async () => {
    const gateway = await start({ MADAKV_GATEWAY_GRACE_MS: '100' });
    const stream = await gateway.client().chat.completions.create({ ...ask('hang: a'), stream: true });
    const reading = (async () => {
      for await (const { choices } of stream) expect(choices).toHaveLength(1);
    })();
    reading.catch(() => undefined);
    const plain = gateway.client().chat.completions.create(ask('hang: b'));
    plain.catch(() => undefined);
    await expect.poll(() => gateway.worker.hanging).toHaveLength(2);
    await gateway.app.close();
    await expect(reading).rejects.toMatchObject({ code: 'worker_stopping' });
    await expect(plain).rejects.toMatchObject({ status: 503, code: 'worker_stopping' });
    await expect.poll(() => gateway.worker.cancelled).toHaveLength(2);
  });
});

describe('Redis', () => {
  it('may restart while a chat completion waits', async () => {
    const gateway = await start({});
    const stream = await gateway.client().chat.completions.create({ ...ask('hang: a'), stream: true });
    const pieces: string[] = [];
    const reading = (async () => {
      for await (const { choices } of stream) pieces.push(choices[0].delta.content ?? '');
    })();
    reading.catch(() => undefined);
    await expect.poll(() => pieces).toContain('a');
    await gateway.server.restart();
    await expect.poll(async () => (await fetch(`${gateway.healthUrl}/readyz`)).status).toBe(200);
    await gateway.records.cancellations.cancel(gateway.worker.hanging[0], 'cancelled');
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
    const answer = await gateway.client('acme', 3).chat.completions.create(ask('say: b'));
    expect(answer.choices[0].message.content).toBe('b');
  });
});
