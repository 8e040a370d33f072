import { gzipSync } from 'node:zlib';
import { APIError, BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, MODEL, TestGateway, UNSERVED } from './gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ MADAKV_GATEWAY_HEARTBEAT_MS: '200' });
});
afterAll(() => gateway.stop());

const ask = (content: string) => ({ model: MODEL, messages: [{ role: 'user' as const, content }] });

const COMMENT_AFTER_TOKEN = /"content":"a"[^]*: waiting\n\n/;

/** All that belongs to requests that have ended is gone but for traces. */
async function nothingLeft(): Promise<void> {
  await expect.poll(() => gateway.keysBelow('requests/')).toEqual([]);
}

describe('a chat completion', () => {
  it('is answered, with what the cache reduction did, and leaves nothing behind', async () => {
    const answer = await gateway.client().chat.completions.create(ask('say: a|b'));
    expect(answer).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'ab' }, finish_reason: 'stop' }],
      usage: { total_tokens: 7 },
      madakv: { trace_id: answer.id, cache_ratio: 0.2 },
    });
    await nothingLeft();
  });

  it('gets the status and body of its error', async () => {
    const failed = gateway.client().chat.completions.create(ask('fail: a'));
    await expect(failed).rejects.toBeInstanceOf(BadRequestError);
    await expect(failed).rejects.toMatchObject({ status: 400, code: 'encrypted_pdf' });
  });

  it('is refused when its model is not known', async () => {
    const failed = gateway.client().chat.completions.create({ ...ask('say: a'), model: 'nobody' });
    await expect(failed).rejects.toBeInstanceOf(NotFoundError);
    await expect(failed).rejects.toMatchObject({ code: 'model_not_found', param: 'model' });
  });

  it('ends everywhere when its caller hangs up', async () => {
    const { hanging, cancelled } = gateway.worker;
    const before = hanging.length;
    const caller = new AbortController();
    const failed = gateway.client().chat.completions.create(ask('hang: a'), { signal: caller.signal });
    failed.catch(() => undefined);
    await expect.poll(() => hanging.length).toBe(before + 1);
    caller.abort();
    await expect(failed).rejects.toThrow('aborted');
    await expect.poll(() => cancelled).toContain(hanging[before]);
    await nothingLeft();
  });

  it('leaves the queue when its caller hangs up before anyone works on it', async () => {
    const caller = new AbortController();
    const failed = gateway
      .client()
      .chat.completions.create({ ...ask('say: a'), model: UNSERVED }, { signal: caller.signal });
    failed.catch(() => undefined);
    const waiting = async (): Promise<number> =>
      (await gateway.queues.counts(gateway.queues.prepare(UNSERVED))).waiting;
    await expect.poll(waiting).toBe(1);
    caller.abort();
    await expect.poll(waiting).toBe(0);
    await nothingLeft();
  });
});

describe('a stream', () => {
  it('says role, pieces, the end and usage, each once', async () => {
    const stream = await gateway.client().chat.completions.create({
      ...ask('repeat: one| two| three'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.map(({ choices }) => choices.map(({ delta, finish_reason }) => [delta, finish_reason]))).toEqual([
      [[{ role: 'assistant', content: '' }, null]],
      [[{ content: 'one' }, null]],
      [[{ content: ' two' }, null]],
      [[{ content: ' three' }, null]],
      [[{}, 'stop']],
      [],
    ]);
    expect(chunks.map(({ usage }) => usage)).toEqual([
      null,
      null,
      null,
      null,
      null,
      { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
    ]);
    expect(chunks[4]).toMatchObject({ madakv: { cache_ratio: 0.2 } });
    await nothingLeft();
  });

  it('gives the whole answer though its events are gone, and no usage unasked', async () => {
    const stream = await gateway.client().chat.completions.create({ ...ask('mute: x|y'), stream: true });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices: [choice] }) => choice.delta.content ?? '').join('')).toBe('xy');
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('ends with [DONE], in the media type of events', async () => {
    const response = await gateway.postJson('/v1/chat/completions', { ...ask('say: a'), stream: true });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect((await response.text()).endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
  });

  it('is an ordinary error before its first token, and an event after it', async () => {
    const early = await gateway.postJson('/v1/chat/completions', { ...ask('say: a'), model: 'nobody', stream: true });
    expect(await errorOf(early)).toMatchObject({ status: 404, code: 'model_not_found' });
    const stream = await gateway.client().chat.completions.create({ ...ask('fail: a'), stream: true });
    const read = async (): Promise<void> => {
      for await (const { choices } of stream) expect(choices[0].delta.content).toMatch(/^a?$/);
    };
    const failed = read();
    await expect(failed).rejects.toBeInstanceOf(APIError);
    await expect(failed).rejects.toMatchObject({ code: 'encrypted_pdf' });
  });

  it('ends with an error where the answer was begun again and became another', async () => {
    const stream = await gateway.client().chat.completions.create({ ...ask('change: a|b'), stream: true });
    const said: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { choices } of stream) said.push(choices[0].delta.content ?? '');
    };
    await expect(read()).rejects.toMatchObject({ code: 'stream_broken' });
    expect(said).toEqual(['', 'other']);
    await nothingLeft();
  });

  it('sends comments while there is nothing to say', async () => {
    const caller = new AbortController();
    const response = await gateway.postJson(
      '/v1/chat/completions',
      { ...ask('hang: a'), stream: true },
      { signal: caller.signal },
    );
    let seen = '';
    for await (const piece of response.body ?? []) {
      seen += Buffer.from(piece).toString();
      // Before the first token there may have been some, too.
      if (COMMENT_AFTER_TOKEN.test(seen)) break;
    }
    expect(seen).toMatch(COMMENT_AFTER_TOKEN);
    caller.abort();
  });

  it('ends everywhere when its caller stops reading', async () => {
    const { hanging, cancelled } = gateway.worker;
    const before = hanging.length;
    const stream = await gateway.client().chat.completions.create({ ...ask('hang: a|b'), stream: true });
    for await (const { choices } of stream) if (choices[0].delta.content === 'b') break;
    await expect.poll(() => hanging.length).toBe(before + 1);
    await expect.poll(() => cancelled).toContain(hanging[before]);
    await nothingLeft();
  });
});

describe('a body', () => {
  it.each([
    ['{"model": "m", }', 400, 'invalid_json', null, 'line 1, column 16'],
    ['', 400, 'invalid_json', null, 'ends too early'],
    ['[]', 400, 'invalid_request', null, 'expected object'],
    [{ model: MODEL, messages: [{ role: 'robot', content: '' }] }, 400, 'invalid_request', 'messages.0.role', 'role'],
    [{ ...ask('a'), madakv: { budget: 1 } }, 400, 'invalid_request', 'madakv.budget', 'Unrecognized key'],
  ])('that is %j is refused', async (body, status, code, param, message) => {
    const error = await errorOf(await gateway.postJson('/v1/chat/completions', body));
    expect(error).toMatchObject({ status, code, param });
    expect(error.message).toContain(message);
  });

  it.each([
    ['tools', [{ type: 'function', function: { name: 'a' } }], 'unsupported_parameter'],
    ['logit_bias', { '50256': -100 }, 'unsupported_parameter'],
    ['guided_json', { type: 'object' }, 'unsupported_parameter'],
    ['max_token', 5, 'invalid_request'],
    ['stop', ['a', 'b', 'c', 'd', 'e'], 'invalid_request'],
  ])('that asks for %s %j is refused by name through the official client', async (param, value, code) => {
    const body = { ...ask('say: a'), [param]: value };
    const failed = gateway.client().chat.completions.create(body);
    await expect(failed).rejects.toBeInstanceOf(BadRequestError);
    await expect(failed).rejects.toMatchObject({ status: 400, code, param });
  });

  it('that asks for a schema that cannot be honoured is refused by the keyword', async () => {
    const schema = { type: 'object', properties: { a: { oneOf: [{ type: 'string' }] } } };
    const response_format = { type: 'json_schema' as const, json_schema: { name: 'a', schema } };
    const failed = gateway.client().chat.completions.create({ ...ask('say: a'), response_format });
    await expect(failed).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_schema',
      param: 'response_format.json_schema.schema.properties.a.oneOf',
    });
  });

  it('that asks for nothing more is answered, whatever it says so with', async () => {
    const answer = await gateway.client().chat.completions.create({
      ...ask('say: a|b'),
      response_format: { type: 'text' },
      tools: [],
      tool_choice: 'auto',
      logit_bias: {},
      modalities: ['text'],
      stop: '',
      prompt_cache_key: 'a',
      metadata: { a: 'b' },
      store: true,
      service_tier: 'auto',
      temperature: null,
    });
    expect(answer.choices[0].message.content).toBe('ab');
  });

  it('is text in the charset that its type names, compressed or not, or is refused', async () => {
    const body = JSON.stringify(ask('say: ü'));
    const post = (content: Uint8Array, type: string, headers: Record<string, string> = {}) =>
      gateway.fetch('/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': type, ...headers },
        body: new Uint8Array(content),
      });
    const gzip = { 'content-encoding': 'gzip' };
    for (const response of [
      await post(Buffer.from(`\ufeff${body}`), 'application/json'),
      await post(Buffer.from(body, 'utf16le'), 'application/json; charset=utf-16'),
      await post(Buffer.from(body, 'latin1'), 'application/json; charset=ISO-8859-1'),
      await post(gzipSync(body), 'application/json', gzip),
    ]) {
      expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'ü' } }] });
    }
    for (const [content, type, headers, status, code] of [
      [Buffer.from(body, 'latin1'), 'application/json', {}, 400, 'invalid_json'],
      [Buffer.from(body), 'application/json; charset=ebcdic', {}, 415, 'unsupported_media_type'],
      [gzipSync(body).subarray(0, 30), 'application/json', gzip, 400, 'invalid_request'],
      [gzipSync(Buffer.alloc(100 * 1024 ** 2, ' ')), 'application/json', gzip, 413, 'too_large'],
    ] as const) {
      expect(await errorOf(await post(content, type, headers))).toMatchObject({ status, code });
    }
  });

  it('must be JSON by its type', async () => {
    const headers = { 'content-type': 'text/plain' };
    const error = await errorOf(await gateway.postJson('/v1/chat/completions', ask('say: a'), { headers }));
    expect(error).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    const encoded = { 'content-encoding': 'rot13' };
    const other = await errorOf(await gateway.postJson('/v1/chat/completions', ask('say: a'), { headers: encoded }));
    expect(other).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });
});
