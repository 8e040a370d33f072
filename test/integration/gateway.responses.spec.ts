import { storeKeys, type ResponseEvent } from '@madakv/contracts';
import type OpenAI from 'openai';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorOf, MODEL, TestGateway } from './gateway.fixture.js';

let gateway: TestGateway;
let client: OpenAI;
beforeAll(async () => {
  gateway = await TestGateway.start();
  client = gateway.client();
});
afterAll(() => gateway.stop());

async function eventsOf(body: object): Promise<{ names: string[]; events: ResponseEvent[] }> {
  const response = await gateway.postJson('/v1/responses', { model: MODEL, stream: true, ...body });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const blocks = (await response.text()).trim().split('\n\n');
  const names = blocks.map((block) => /^event: (.*)$/m.exec(block)?.[1] ?? '');
  return { names, events: blocks.map((block) => JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '') as ResponseEvent) };
}

describe('a response', () => {
  it('is answered through the official client', async () => {
    const response = await client.responses.create({
      model: MODEL,
      instructions: 'Be short.',
      input: 'say: The |total| is 7',
      max_output_tokens: 20,
      temperature: 0,
      metadata: { of: 'test' },
    });
    expect(response).toMatchObject({
      object: 'response',
      status: 'completed',
      error: null,
      incomplete_details: null,
      instructions: 'Be short.',
      max_output_tokens: 20,
      metadata: { of: 'test' },
      model: MODEL,
      output_text: 'The total is 7',
      store: false,
      text: { format: { type: 'text' } },
      usage: { input_tokens: 5, output_tokens: 3, total_tokens: 8 },
      madakv: { cache_ratio: 0.2 },
    });
    expect(response.id).toMatch(/^resp_[0-9a-f]{24}$/);
  });

  it('streams the events of the official sequence, from which the official client puts it together', async () => {
    const stream = client.responses.stream({ model: MODEL, input: [{ role: 'user', content: 'say: a|b|c' }] });
    const deltas: string[] = [];
    stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta));
    const final = await stream.finalResponse();
    expect(final).toMatchObject({ status: 'completed', output: [{ content: [{ type: 'output_text', text: 'abc' }] }] });
    expect(deltas.join('')).toBe('abc');
    const { names, events } = await eventsOf({ input: 'say: a|b' });
    expect(names).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map(({ type }) => type)).toEqual(names);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(names.map((_, i) => i));
    expect(events[0]).toMatchObject({ response: { status: 'in_progress', output: [], usage: null } });
    expect(events[6]).toMatchObject({ text: 'ab', output_index: 0, content_index: 0 });
    expect(events[9]).toMatchObject({ response: { status: 'completed', output: [{ content: [{ text: 'ab' }] }] } });
  });

  it.each([['repeat: a|b'], ['mute: a|b']])('streams each token once of an answer that does "%s"', async (input) => {
    const { events } = await eventsOf({ input });
    const deltas = events.filter(({ type }) => type === 'response.output_text.delta');
    expect(deltas.map(({ delta }) => delta).join('')).toBe('ab');
    expect(events.at(-1)).toMatchObject({
      type: 'response.completed',
      response: { output: [{ status: 'completed' }] },
    });
  });

  it('is an error with its status before the first token, and an event afterwards', async () => {
    const { names, events } = await eventsOf({ input: 'fail: a|b' });
    expect(names.slice(-2)).toEqual(['response.output_text.delta', 'error']);
    expect(events.at(-1)).toMatchObject({ code: 'encrypted_pdf', message: 'locked' });
    const other = await eventsOf({ input: 'change: a|b' });
    expect(other.names.slice(-2)).toEqual(['response.output_text.delta', 'error']);
    expect(other.events.at(-1)).toMatchObject({ code: 'stream_broken' });
    const plain = await errorOf(await gateway.postJson('/v1/responses', { model: MODEL, input: 'fail: a' }));
    expect(plain).toMatchObject({ status: 400, code: 'encrypted_pdf' });
  });
});

describe('what is asked', () => {
  it('becomes a chat completion with documents, text, schema and options', async () => {
    const format = { type: 'json_schema', name: 'total', strict: true, schema: SCHEMA } as const;
    const hung = new AbortController();
    const before = gateway.worker.hanging.length;
    const asked = client.responses.create(
      {
        model: MODEL,
        instructions: 'Read.',
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_file', file_id: 'file-1' },
              { type: 'input_file', file_data: 'data:application/pdf;base64,JVBERg==', filename: 'a.pdf' },
              { type: 'input_image', image_url: 'https://pages.example/1.png', detail: 'auto' },
              { type: 'input_image', file_id: 'file-2', detail: 'auto' },
              { type: 'input_text', text: 'What is it?' },
            ],
          },
          { role: 'assistant', content: 'An invoice.' },
          { role: 'user', content: 'hang: ' },
        ],
        text: { format },
        top_p: 0.5,
      },
      { signal: hung.signal },
    );
    await expect.poll(() => gateway.worker.hanging.length).toBe(before + 1);
    const requestId = gateway.worker.hanging[before];
    const body = JSON.parse(await text(await gateway.store.get(storeKeys.body(requestId)))) as unknown;
    expect(body).toEqual({
      model: MODEL,
      messages: [
        { role: 'system', content: 'Read.' },
        {
          role: 'user',
          content: [
            { type: 'file', file: { file_id: 'file-1' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERg==', filename: 'a.pdf' } },
            { type: 'image_url', image_url: { url: 'https://pages.example/1.png' } },
            { type: 'file', file: { file_id: 'file-2' } },
            { type: 'text', text: 'What is it?' },
          ],
        },
        { role: 'assistant', content: 'An invoice.' },
        { role: 'user', content: 'hang: ' },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'total', strict: true, schema: SCHEMA } },
      top_p: 0.5,
    });
    hung.abort();
    await expect(asked).rejects.toThrow();
    await expect.poll(() => gateway.worker.cancelled).toContain(requestId);
  });

  it.each([
    [{ input: 'x', previous_response_id: 'resp_1' }, 'previous_response_id', 'no response is kept'],
    [{ input: 'x', store: true }, 'store', 'no response is kept'],
    [{ input: 'x', conversation: 'conv_1' }, 'conversation', 'no response is kept'],
    [{ input: 'x', background: true }, 'background', 'POST /v1/batches'],
    [{ input: 'x', tools: [{ type: 'web_search' }] }, 'tools', 'there are no tools'],
    [{ input: 'x', include: ['message.output_text.logprobs'] }, 'include', 'nothing can be included'],
    [{ input: 'x', max_tokens: 5 }, 'max_tokens', 'known are model, input'],
    [{ input: [] }, 'input', ''],
    [{ input: [{ role: 'user', content: [{ type: 'input_audio' }] }] }, 'input.0.content.0.type', ''],
    [{ input: [{ type: 'function_call_output', call_id: 'c', output: '' }] }, 'input.0', ''],
    // Found by the rules of chat completions, and said in the terms of this one.
    [{ input: ' ' }, 'input', ''],
    [{ input: [{ role: 'user', content: [{ type: 'input_file' }] }], instructions: 'a' }, 'input.0.content.0.file', ''],
    [{ input: 'x', text: { format: { type: 'json_schema', name: 'a b', schema: {} } } }, 'text.format.name', ''],
  ])('is refused as %j', async (body, param, message) => {
    const refused = await errorOf(await gateway.postJson('/v1/responses', { model: MODEL, ...body }));
    expect(refused).toMatchObject({ status: 400 });
    expect(String(refused.param).startsWith(param)).toBe(true);
    expect(refused.message).toContain(message);
  });

  it('takes what asks for nothing', async () => {
    const body = {
      store: false,
      tools: [],
      tool_choice: 'auto',
      include: [],
      truncation: 'disabled',
      background: false,
    };
    const hints = { user: 'u', reasoning: { effort: 'low' }, service_tier: 'auto', parallel_tool_calls: true };
    const response = await gateway.postJson('/v1/responses', { model: MODEL, input: 'say: a', ...body, ...hints });
    expect(response.status).toBe(200);
    const unknown = await gateway.postJson('/v1/responses', { model: 'none', input: 'say: a' });
    expect(await errorOf(unknown)).toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

const SCHEMA = {
  type: 'object',
  properties: { total: { type: 'number' } },
  required: ['total'],
  additionalProperties: false,
};
