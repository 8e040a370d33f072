import { describe, expect, it } from 'vitest';
import { checkChatRequest } from './chat.check.js';

const schema = {
  type: 'object',
  properties: { total: { type: 'number' } },
  required: ['total'],
  additionalProperties: false,
};
const request = (more: object = {}, of: object = schema): object => ({
  model: 'm',
  messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }],
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema: of } },
  madakv: { extract: true },
  ...more,
});

describe('madakv.extract', () => {
  it('takes documents with a schema, with and without strict, and keeps what it was asked', () => {
    const kept = checkChatRequest(
      request({ max_completion_tokens: 5, seed: 1, madakv: { extract: true, cache_ratio: 0.1 } }),
    );
    expect(kept.madakv).toEqual({ extract: true, cache_ratio: 0.1 });
    expect(checkChatRequest(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
    const strict = { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } };
    expect(checkChatRequest(request({ response_format: strict }))).toMatchObject({ response_format: strict });
  });

  it.each([
    ['response_format', undefined, request({ response_format: null }), 'expected json_schema'],
    ['response_format', undefined, request({ response_format: { type: 'json_object' } }), 'expected json_schema'],
    ['stream', 'unsupported_parameter', request({ stream: true }), 'not supported beside madakv.extract'],
    ['logprobs', 'unsupported_parameter', request({ logprobs: true }), 'not supported beside madakv.extract'],
    ['logprobs', 'unsupported_parameter', request({ top_logprobs: 1 }), 'not supported beside madakv.extract'],
    [
      'messages',
      undefined,
      request({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
        ],
      }),
      'at the end',
    ],
    [
      'response_format.json_schema.schema.properties.a.type',
      'unsupported_schema',
      request({}, { type: 'object', properties: { a: { type: ['string', 'number'] } } }),
      'a field has one type',
    ],
    [
      'response_format.json_schema.schema.properties.a.oneOf',
      'unsupported_schema',
      request({}, { type: 'object', properties: { a: { oneOf: [] } } }),
      'is not supported',
    ],
  ])('names %s as what is wrong', (param, reason, body, message) => {
    const refused = { code: 'invalid_request', param, reason, httpStatus: 400 };
    expect(() => checkChatRequest(body)).toThrow(expect.objectContaining(refused));
    expect(() => checkChatRequest(body)).toThrow(message);
  });

  it('takes any schema and stream where nothing is extracted', () => {
    const asked = { stream: true, logprobs: true, madakv: { extract: false } };
    expect(checkChatRequest(request(asked, { type: 'array', items: { type: 'array' } }))).toMatchObject(asked);
  });
});
