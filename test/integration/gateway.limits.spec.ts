import { afterEach, describe, expect, it } from 'vitest';
import { errorOf, MODEL, TestGateway, UNSERVED } from './gateway.fixture.js';

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
      expect(error.message).toContain('1000 ms');
    }
    await expect.poll(() => gateway.worker.cancelled).toEqual(gateway.worker.hanging);
    await expect.poll(() => gateway.keysBelow('requests/')).toEqual([]);
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
