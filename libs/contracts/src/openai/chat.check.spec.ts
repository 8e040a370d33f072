import { describe, expect, it } from 'vitest';
import { checkChatRequest, parseChatRequest } from './chat.check.js';

const user = (content: unknown): object => ({ model: 'm', messages: [{ role: 'user', content }] });
const hi = user('hi');
const file = (source: object): object => user([{ type: 'file', file: source }]);

describe('checkChatRequest', () => {
  it('takes what OpenAI takes, leaves out what it does not know, and lets null stand for nothing', () => {
    const body = {
      ...hi,
      temperature: null,
      stop: ['END'],
      user: 'someone',
      madakv: { cache_ratio: 0.1, pages: '1-3' },
    };
    expect(checkChatRequest(body)).toEqual({
      ...hi,
      temperature: null,
      stop: ['END'],
      madakv: { cache_ratio: 0.1, pages: '1-3' },
    });
  });

  it.each([
    [[], undefined, 'expected object, received array'],
    [{}, 'model', /^model: expected string.*; messages: expected array/],
    [{ ...hi, messages: [] }, 'messages', /^messages: /],
    [{ ...hi, messages: [{ role: 'robot', content: '' }] }, 'messages.0.role', /^messages\.0\.role: .*"user"/],
    [user(5), 'messages.0.content', 'messages.0.content: expected string or array'],
    [user([]), 'messages.0.content', /^messages\.0\.content: /],
    [
      user([{ type: 'video' }]),
      'messages.0.content.0.type',
      'messages.0.content.0.type: expected "text" or "image_url" or "file"',
    ],
    [
      user([
        { type: 'text', text: '' },
        { type: 'image_url', image_url: 'x' },
      ]),
      'messages.0.content.1.image_url',
      'messages.0.content.1.image_url: expected object, received string',
    ],
    [
      file({ file_id: 'a', file_url: 'b' }),
      'messages.0.content.0.file',
      'messages.0.content.0.file: expected exactly one of file_data, file_id and file_url',
    ],
    [file({}), 'messages.0.content.0.file', /exactly one of/],
    [{ ...hi, temperature: 3, n: 2 }, 'temperature', /^temperature: .*; n: /],
    [{ ...hi, madakv: { budget: 1 } }, 'madakv.budget', 'madakv: Unrecognized key: "budget"'],
    [{ ...hi, madakv: { cache_ratio: 0.1, min_cache_ratio: 0.2 } }, 'madakv.min_cache_ratio', /min_cache_ratio <=/],
  ])('names the first key that is wrong in %j, and all of them in the message', (body, param, message) => {
    const check = (): unknown => checkChatRequest(body);
    expect(check).toThrow(expect.objectContaining({ code: 'invalid_request', param, httpStatus: 400 }));
    expect(check).toThrow(message);
  });

  it('lists no more than ten complaints', () => {
    const messages = Array.from({ length: 13 }, () => ({ role: 'x', content: '' }));
    expect(() => checkChatRequest({ model: 'm', messages })).toThrow(/messages\.9\.role: [^;]*; and 3 more$/);
  });
});

describe('parseChatRequest', () => {
  it('parses and checks', () => {
    expect(parseChatRequest(JSON.stringify(hi))).toEqual(hi);
    expect(() => parseChatRequest('{"model": "m", }')).toThrow(expect.objectContaining({ code: 'invalid_json' }));
    expect(() => parseChatRequest('5')).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});
