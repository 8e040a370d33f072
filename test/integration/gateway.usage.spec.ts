import { newApiKey, type UsageReport } from '@madakv/contracts';
import { dateOf, dayOf, Records } from '@madakv/records';
import { toFile } from 'openai';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { awayFromMidnight, batchInput, errorOf, KEYS, MODEL, TestGateway, UNSERVED } from './gateway.fixture.js';
import { settlementOf } from './settlement.fixture.js';

const running: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.stop();
});

async function start(environment: Record<string, string> = {}): Promise<TestGateway> {
  const gateway = await TestGateway.start(environment);
  running.push(gateway);
  return gateway;
}

/** Taken for 2 tokens of text, and as many of an answer as are allowed. */
const ask = (content: string, max_tokens = 98) => ({
  model: MODEL,
  max_tokens,
  messages: [{ role: 'user' as const, content }],
});
const limits = (of: object): Record<string, string> => ({ MADAKV_GATEWAY_LIMITS: JSON.stringify(of) });
const usageOf = async (gateway: TestGateway, query = ''): Promise<UsageReport> =>
  (await (await gateway.fetch(`/v1/usage${query}`)).json()) as UsageReport;
const quotaOf = async (gateway: TestGateway): Promise<UsageReport['quota']> => (await usageOf(gateway)).quota;

describe('tokens of a day', () => {
  it('are told in OpenAI’s headers, and refused beyond the limit until midnight', async () => {
    await awayFromMidnight();
    const origin = 'https://app.example';
    const gateway = await start({
      ...limits({ tokensPerDay: 110 }),
      MADAKV_GATEWAY_CORS_ORIGINS: JSON.stringify([origin]),
    });
    const first = await gateway.postJson('/v1/chat/completions', ask('say: a'), { headers: { origin } });
    // Scripts of other pages may read all of them.
    const told = [...first.headers.keys()].filter((name) => name.startsWith('x-ratelimit-'));
    const exposed = (first.headers.get('access-control-expose-headers') ?? '').split(',').map((name) => name.trim());
    expect(told).toHaveLength(6);
    expect(exposed).toEqual(expect.arrayContaining(told));
    expect(first.status).toBe(200);
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe('110');
    // While it ran it was taken for 100; it came to 6.
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('10');
    const response = await gateway.postJson('/v1/chat/completions', ask('say: a', 103));
    const [seconds, ms] = ['retry-after', 'retry-after-ms'].map((name) => Number(response.headers.get(name)));
    const untilMidnight = 86_400_000 - (Date.now() % 86_400_000);
    expect(Math.abs(ms - untilMidnight)).toBeLessThan(60_000);
    expect(seconds).toBe(Math.ceil(ms / 1000));
    expect(response.headers.get('x-ratelimit-reset-tokens')).toBe(`${seconds}s`);
    expect(response.headers.get('x-ratelimit-remaining-tokens')).toBe('104');
    // Asking again a little later would be in vain.
    expect(response.headers.get('x-should-retry')).toBe('false');
    const error = await errorOf(response);
    expect(error).toMatchObject({ status: 429, code: 'tokens_per_day_exceeded', type: 'rate_limit_error' });
    expect(error.message).toBe(
      'The request is taken for 105 tokens; today (UTC) 6 are used and 0 reserved, and the limit is 110 tokens a day.',
    );
    expect((await gateway.postJson('/v1/chat/completions', ask('say: a', 102))).status).toBe(200);
    const other = await gateway.postJson('/v1/chat/completions', ask('say: a', 105), { tenant: 'other' });
    expect(other.status).toBe(200);
  });

  it('that others have reserved come back in moments, and what is too much alone does never', async () => {
    await awayFromMidnight();
    const gateway = await start(limits({ tokensPerDay: 250, queuedTokens: 220 }));
    const callers = [new AbortController(), new AbortController()];
    for (const { signal } of callers) {
      gateway
        .client()
        .chat.completions.create(ask('hang: a'), { signal })
        .catch(() => undefined);
    }
    await expect.poll(() => gateway.worker.hanging).toHaveLength(2);
    const told = async (path: string, body: unknown): Promise<unknown[]> => {
      const response = await gateway.postJson(path, body);
      const { status, code, message } = await errorOf(response);
      const [after, should] = ['retry-after', 'x-should-retry'].map((name) => response.headers.get(name));
      return [status, code, after, should, message.includes('alone more than the limit: ask for fewer pages')];
    };
    const chats = '/v1/chat/completions';
    expect(await told(chats, ask('say: a'))).toEqual([429, 'tokens_per_day_exceeded', '2', 'true', false]);
    expect(await told(chats, ask('say: a', 219))).toEqual([429, 'queued_tokens_exceeded', null, 'false', true]);
    expect(await told(chats, ask('say: a', 249))).toEqual([429, 'tokens_per_day_exceeded', null, 'false', true]);
    const response = { model: MODEL, input: 'say: a', max_output_tokens: 249 };
    expect(await told('/v1/responses', response)).toEqual([429, 'tokens_per_day_exceeded', null, 'false', true]);
    for (const caller of callers) caller.abort();
    await expect.poll(async () => (await gateway.postJson(chats, ask('say: a'))).status).toBe(200);
  });

  it('count for a stream that its caller ends before the last token', async () => {
    await awayFromMidnight();
    const gateway = await start(limits({ tokensPerDay: 200 }));
    const stream = await gateway.client().chat.completions.create({ ...ask('hang: a|b|c'), stream: true });
    // Leaving the loop hangs up.
    for await (const { choices } of stream) if (choices[0].delta.content) break;
    await expect.poll(async () => (await quotaOf(gateway))?.tokens_per_day.used).toBeGreaterThan(0);
    await expect.poll(async () => (await quotaOf(gateway))?.tokens_per_day.reserved).toBe(0);
  });

  it('are given back where the reply about their reservation was lost', async () => {
    const gateway = await start(limits({ queuedTokens: 100 }));
    const { quota } = gateway.app.get(Records);
    const reserve = quota.reserve.bind(quota);
    vi.spyOn(quota, 'reserve').mockImplementationOnce(async (...args) => {
      await reserve(...args);
      throw new Error('the connection was lost');
    });
    expect((await gateway.postJson('/v1/chat/completions', ask('say: a'))).status).toBeGreaterThanOrEqual(500);
    expect((await quotaOf(gateway))?.queued_tokens).toMatchObject({ reserved: 0 });
  });

  it('hold for responses as well, and have no headers where there is no limit', async () => {
    const gateway = await start({
      ...limits({ tokensPerDay: 50 }),
      MADAKV_GATEWAY_TENANT_LIMITS: JSON.stringify({ other: { tokensPerDay: null } }),
    });
    const body = { model: MODEL, input: 'say: a', max_output_tokens: 60 };
    const refused = await errorOf(await gateway.postJson('/v1/responses', body));
    expect(refused).toMatchObject({ status: 429, code: 'tokens_per_day_exceeded' });
    const free = await gateway.postJson('/v1/responses', body, { tenant: 'other' });
    expect(free.status).toBe(200);
    expect(free.headers.get('x-ratelimit-limit-tokens')).toBeNull();
  });
});

describe('queued tokens', () => {
  it('are those of chats under way, and come back when they end in whatever way', async () => {
    await awayFromMidnight();
    const gateway = await start(limits({ queuedTokens: 250 }));
    const callers = [new AbortController(), new AbortController()];
    for (const { signal } of callers) {
      gateway
        .client()
        .chat.completions.create(ask('hang: a'), { signal })
        .catch(() => undefined);
    }
    await expect.poll(() => gateway.worker.hanging).toHaveLength(2);
    expect((await quotaOf(gateway))?.queued_tokens).toEqual({ limit: 250, reserved: 200, remaining: 50 });
    const response = await gateway.postJson('/v1/chat/completions', ask('say: a'));
    expect(response.headers.get('retry-after')).toBe('2');
    expect(response.headers.get('x-should-retry')).toBe('true');
    const error = await errorOf(response);
    expect(error).toMatchObject({ status: 429, code: 'queued_tokens_exceeded' });
    expect(error.message).toContain('200 are queued; the limit is 250 queued tokens');
    callers[0].abort();
    await expect
      .poll(async () => (await gateway.postJson('/v1/chat/completions', ask('fail: a'))).status, { interval: 100 })
      .toBe(400);
    callers[1].abort();
    await expect.poll(async () => (await quotaOf(gateway))?.queued_tokens.reserved).toBe(0);
    // What failed came to nothing; what was cancelled came to the prompt of each, and the token that it was told.
    await expect.poll(async () => (await quotaOf(gateway))?.tokens_per_day).toMatchObject({ used: 12, reserved: 0 });
    expect(await gateway.records.redis.keys('*token-reservations*')).toEqual([]);
  });

  it('are never more than the limit over two gateways, however many ask at once', async () => {
    const environment = limits({ queuedTokens: 750 });
    const gateway = await start(environment);
    const other = await gateway.beside(environment);
    const caller = new AbortController();
    const statuses: number[] = [];
    const asked = Array.from({ length: 20 }, async (_, i) => {
      const response = await fetch(`${i % 2 === 0 ? gateway.url : other.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEYS.acme}`, 'content-type': 'application/json' },
        // Nobody answers for this model: who is admitted waits.
        body: JSON.stringify({ ...ask('say: a'), model: UNSERVED }),
        signal: caller.signal,
      });
      statuses.push(response.status);
    });
    const over = Promise.allSettled(asked);
    await expect.poll(() => statuses).toEqual(Array(13).fill(429));
    expect((await quotaOf(gateway))?.queued_tokens).toEqual({ limit: 750, reserved: 700, remaining: 50 });
    caller.abort();
    await over;
    await expect.poll(async () => (await quotaOf(gateway))?.queued_tokens.reserved).toBe(0);
    await other.stop();
  });

  it('are a batch’s from its validation on: its limits go with it to whoever validates it', async () => {
    const gateway = await start(limits({ queuedTokens: 1_000, tokensPerDay: 5_000 }));
    gateway.worker.batches.run = false;
    const client = gateway.client();
    const file = await client.files.create({ file: await toFile(batchInput(2), 'a.jsonl'), purpose: 'batch' });
    const endpoint = '/v1/chat/completions';
    const { id } = await client.batches.create({ input_file_id: file.id, endpoint, completion_window: '24h' });
    const record = await gateway.records.batches.get(id);
    expect(record?.limits).toEqual({ queuedTokens: 1_000, tokensPerDay: 5_000 });
    expect(JSON.stringify(await client.batches.retrieve(id))).not.toContain('queuedTokens');
  });
});

describe('usage', () => {
  it('is what the tenant’s requests came to, by day and model', async () => {
    await awayFromMidnight();
    const gateway = await start();
    for (const content of ['say: a|b', 'say: c', 'fail: a']) {
      await gateway.postJson('/v1/chat/completions', ask(content));
    }
    await gateway.postJson('/v1/chat/completions', ask('say: a'), { tenant: 'other' });
    const report = await usageOf(gateway, '?group_by=model');
    const counts = {
      ...{ requests: 3, errors: 1, prompt_tokens: 10, cached_tokens: 0, completion_tokens: 3, total_tokens: 13 },
      ...{ full_bytes: 200, kept_bytes: 40 },
    };
    expect(report).toMatchObject({
      object: 'usage',
      tenant: 'acme',
      group_by: ['model'],
      data: [{ model: MODEL, ...counts }],
      total: counts,
      quota: { tokens_per_day: { limit: null, used: 13, reserved: 0, remaining: null } },
    });
    expect((await usageOf(gateway)).data).toEqual([{ date: report.data[0].date, ...counts }]);
    expect((Date.parse(report.end) - Date.parse(report.start)) / 86_400_000).toBe(29);
    const none = await usageOf(gateway, '?start=2026-01-01&end=2999-01-01&group_by=model,tenant');
    expect(none.data).toMatchObject([{ model: MODEL, tenant: 'acme' }]);
  });

  it('is a table, too', async () => {
    const gateway = await start();
    await gateway.postJson('/v1/chat/completions', ask('say: a|b'));
    const response = await gateway.fetch('/v1/usage?format=csv&group_by=model');
    expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="?usage-.*\.csv"?$/);
    const bytes = Buffer.from(await response.arrayBuffer());
    const [head, row, rest] = bytes.toString().split('\r\n');
    expect(head).toBe(
      '\uFEFFdate,model,requests,errors,prompt_tokens,cached_tokens,completion_tokens,total_tokens,full_bytes,kept_bytes',
    );
    expect(row).toMatch(/^\d{4}-\d\d-\d\d,fake-reader,1,0,5,0,2,7,100,20$/);
    expect(rest).toBe('');
  });

  it('of others and of all is for operators', async () => {
    await awayFromMidnight();
    const [acme, ops] = [newApiKey('acme'), newApiKey('ops', 'ops', { operator: true })];
    const gateway = await start({ MADAKV_API_KEYS: JSON.stringify([acme.record, ops.record]) });
    const as = (key: string, query: string): Promise<Response> =>
      fetch(`${gateway.url}/v1/usage${query}`, { headers: { authorization: `Bearer ${key}` } });
    for (const [tenant, id] of [
      ['acme', 'chatcmpl-1'],
      ['beta', 'chatcmpl-2'],
    ]) {
      const ref = { requestId: id, source: { kind: 'body', fileKey: 'f' } as const };
      const outcome = { state: 'failed', key: 'k' } as const;
      await gateway.records.outcomes.commit(ref, outcome, settlementOf(ref, outcome, { tenant }));
    }
    const refused = await errorOf(await as(acme.key, '?tenant=beta'));
    expect(refused).toMatchObject({ status: 404, code: 'not_found', param: 'tenant' });
    expect((await as(acme.key, '?tenant=*')).status).toBe(404);
    expect((await as(acme.key, '?tenant=acme')).status).toBe(200);
    const report = async (query: string): Promise<UsageReport> =>
      (await (await as(ops.key, query)).json()) as UsageReport;
    expect((await report('?tenant=beta')).total.requests).toBe(1);
    expect((await report('')).data).toEqual([]);
    const all = await report('?tenant=*&group_by=tenant');
    expect(all).toMatchObject({ tenant: null, quota: null, total: { requests: 2 } });
    expect(all.data.map(({ tenant, requests }) => [tenant, requests])).toEqual([
      ['acme', 1],
      ['beta', 1],
    ]);
    expect((await report('?tenant=*')).data).toMatchObject([{ requests: 2 }]);
  });

  it('is refused where its query is wrong, which names the key', async () => {
    const today = dateOf(dayOf(Date.now()));
    const wrong = [
      ['start=yesterday', 'start', 'expected a date like 2026-11-28'],
      ['start=2026-02-30', 'start', 'expected a date'],
      [`start=${today}&end=2026-01-01`, 'end', 'is before start'],
      ['start=2020-01-01&end=2020-02-01', 'end', 'usage is kept for 92 days'],
      ['start=2999-01-01&end=2999-01-02', 'start', 'is in the future'],
      ['group_by=weather', 'group_by.0', 'model'],
      ['tenant=a%20b', 'tenant', ''],
      ['format=xlsx', 'format', 'csv'],
    ] as const;
    const gateway = await start();
    for (const [query, param, message] of wrong) {
      const error = await errorOf(await gateway.fetch(`/v1/usage?${query}`));
      expect(error, query).toMatchObject({ status: 400, code: 'invalid_request', param });
      expect(error.message).toContain(message);
    }
  });
});
