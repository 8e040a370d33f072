import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkChatRequest } from './chat.check.js';
import { answerFormat } from './response.format.js';

const hi = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false };
const of = (given: unknown, strict?: boolean): unknown => ({
  ...hi,
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema: given, strict } },
});

describe('response_format', () => {
  it('says what the answer has to be', () => {
    const format = (response_format: unknown) =>
      answerFormat(checkChatRequest({ ...hi, response_format }).response_format);
    expect(format(null)).toBeUndefined();
    expect(format({ type: 'text' })).toBeUndefined();
    expect(format({ type: 'json_object' })).toEqual({ kind: 'json_object' });
    expect(answerFormat(checkChatRequest(of(schema, true)).response_format)).toEqual({
      kind: 'json_schema',
      schema,
      strict: true,
    });
    expect(answerFormat(checkChatRequest(of(schema)).response_format)).toMatchObject({ strict: false });
  });

  it('may be what zod makes of forms of texts', () => {
    const forms = z.strictObject({
      due: z.iso.date(),
      at: z.iso.datetime(),
      from: z.email(),
      id: z.uuid(),
      host: z.ipv4(),
    });
    const given = { ...z.toJSONSchema(forms), $schema: undefined };
    expect(given.properties?.['due']).toMatchObject({ format: 'date', pattern: expect.any(String) as string });
    expect(checkChatRequest(of(given, true)).response_format).toMatchObject({ type: 'json_schema' });
  });

  it('is the same after it was kept', () => {
    const kept = checkChatRequest(of(schema, true));
    expect(checkChatRequest(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
  });

  it.each([
    ['oneOf', of({ oneOf: [schema] }), 'oneOf: is not supported'],
    ['properties.a.not', of({ type: 'object', properties: { a: { not: {} } } }), 'not: is not supported'],
    ['properties.a.format', of({ type: 'object', properties: { a: { format: 'hostname' } } }), 'expected one of date'],
    ['additionalProperties', of({ ...schema, additionalProperties: true }, true), 'as strict asks for'],
    ['required', of({ ...schema, required: [] }, true), 'expected every property'],
    ['type', of({ type: 'array' }, true), 'expected object, as strict asks for'],
  ])('names the keyword that cannot be honoured: %s', (path, body, message) => {
    const param = `response_format.json_schema.schema.${path}`;
    const refused = { code: 'invalid_request', param, reason: 'unsupported_schema', httpStatus: 400 };
    expect(() => checkChatRequest(body)).toThrow(expect.objectContaining(refused));
    expect(() => checkChatRequest(body)).toThrow(message);
  });

  it.each([
    [{ type: 'grammar' }, 'response_format.type'],
    [{ type: 'json_schema' }, 'response_format.json_schema'],
    [{ type: 'json_schema', json_schema: { schema } }, 'response_format.json_schema.name'],
    [{ type: 'json_schema', json_schema: { name: 'x', schema, extra: 1 } }, 'response_format.json_schema.extra'],
    [{ type: 'json_object', schema }, 'response_format.schema'],
  ])('refuses %j', (response_format, param) => {
    expect(() => checkChatRequest({ ...hi, response_format })).toThrow(expect.objectContaining({ param }));
  });
});
