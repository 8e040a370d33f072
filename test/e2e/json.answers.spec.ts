import { ChatCompletionSchema } from '@madakv/contracts';
import type { OpenAI } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKPOINT } from '../integration/checkpoint.fixture.js';
import { ask, dataUrl, filePart, PDF } from './requests.js';
import { startSystem, type TestSystem } from './system.fixture.js';

let system: TestSystem;
let client: OpenAI;
beforeAll(async () => {
  // Unlike that of other tests, it knows how to end an answer.
  system = await startSystem({ checkpoint: CHECKPOINT });
  client = system.client();
});
afterAll(() => system.stop());

const text = { type: 'text' as const, text: 'Total?' };

describe('an answer, with the official client,', () => {
  it('is JSON of the schema that it was asked for, streamed or not, drawn or not', async () => {
    const schema = {
      type: 'object',
      properties: { total: { type: 'integer', minimum: 1, maximum: 20 }, paid: { enum: ['yes', 'no'] } },
      required: ['total', 'paid'],
      additionalProperties: false,
    };
    const body = ask([text, filePart({ file_data: dataUrl(PDF, 'application/pdf') })], {
      response_format: { type: 'json_schema', json_schema: { name: 'receipt', schema, strict: true } },
      max_completion_tokens: 80,
      temperature: 1,
      seed: 3,
    });
    // As the client does with structured outputs: it parses the text by itself.
    const parsed = await client.chat.completions.parse(body);
    expect(parsed.choices[0]?.finish_reason).toBe('stop');
    const answer = parsed.choices[0]?.message.parsed as unknown as { total: number; paid: string };
    expect(answer.total).toBeGreaterThanOrEqual(1);
    expect(answer.total).toBeLessThanOrEqual(20);
    expect(['yes', 'no']).toContain(answer.paid);
    const stream = client.chat.completions.stream({ ...body, stream: true });
    expect(JSON.parse((await stream.finalContent()) ?? '')).toEqual(answer);
    const bad = { name: 'bad', schema: { type: 'object', not: {} } };
    await expect(
      client.chat.completions.create({ ...body, response_format: { type: 'json_schema', json_schema: bad } }),
    ).rejects.toMatchObject({ status: 400, param: 'response_format.json_schema.schema.not' });
  });

  it('is an object that is put together of a question a field, where it asks for that', async () => {
    const schema = {
      type: 'object',
      properties: { total: { type: ['string', 'null'] }, date: { type: ['string', 'null'] } },
    };
    const answer = await client.chat.completions.create({
      ...ask([filePart({ file_data: dataUrl(PDF, 'application/pdf') })]),
      response_format: { type: 'json_schema', json_schema: { name: 'receipt', schema } },
      madakv: { extract: true },
    } as OpenAI.ChatCompletionCreateParamsNonStreaming);
    const { madakv } = ChatCompletionSchema.parse(answer);
    expect(Object.keys(JSON.parse(answer.choices[0]?.message.content ?? '') as object)).toEqual(['total', 'date']);
    expect(madakv.fields?.map(({ name }) => name)).toEqual(['total', 'date']);
    // The second field read none of the document for itself.
    expect(answer.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan((answer.usage?.prompt_tokens ?? 0) / 3);
  });
});
