import { describe, expect, it } from 'vitest';
import { checkFileRequest } from './file.request.js';

const message = (content: unknown, role: unknown = 'user'): unknown => ({ messages: [{ role, content }] });

describe('checkFileRequest', () => {
  it('takes what OpenAI takes, ignores what it does not know, and lets null stand for nothing', () => {
    const body = {
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'assistant', content: null, tool_calls: [] },
        { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
      ],
      temperature: null,
      stop: ['\n', 'END'],
      top_k: -1,
      user: 'someone',
      response_format: { type: 'text' },
      madakv: { cache_ratio: 0.1, policy: 'madakv', options: { theta: 0.9 } },
    };
    const request = checkFileRequest(body, 'x');
    expect(request.messages).toHaveLength(3);
    expect(request.stop).toEqual(['\n', 'END']);
    expect('user' in request).toBe(false);
  });

  it.each([
    [[], 'x: expected object, received array'],
    [{}, 'x: messages: expected array, received undefined'],
    [{ messages: [] }, 'x: messages: '],
    [message('hi', 3), 'x: messages.0.role: expected string, received number'],
    [message(5), 'x: messages.0.content: expected string or array'],
    [message([{ type: 'text', text: 5 }]), 'x: messages.0.content.0.text: expected string, received number'],
    [
      message([
        { type: 'text', text: '' },
        { type: 'image_url', image_url: { url: 5 } },
      ]),
      'x: messages.0.content.1.image_url.url: expected string, received number',
    ],
    [
      message([{ type: 'image_url', image_url: 'a.png' }]),
      'x: messages.0.content.0.image_url: expected object, received string',
    ],
    [message([{ type: 'video', text: '' }]), 'x: messages.0.content.0.type: expected "text" or "image_url"'],
    [{ ...(message('hi') as object), temperature: 3 }, 'x: temperature: '],
    [{ ...(message('hi') as object), stop: ['a', 'b', 'c', 'd', 'e'] }, 'x: stop: '],
    [{ ...(message('hi') as object), stop: 5 }, 'x: stop: expected string or array'],
    [{ ...(message('hi') as object), max_tokens: 1.5, top_logprobs: 30 }, /^x: max_tokens: .*; top_logprobs: /],
    [{ ...(message('hi') as object), n: 2 }, 'x: n: '],
    [{ ...(message('hi') as object), madakv: { cache_ratio: 0 } }, 'x: madakv.cache_ratio: '],
    [{ ...(message('hi') as object), madakv: { budget: 1 } }, 'x: madakv: Unrecognized key: "budget"'],
  ])('names the key that is wrong in %j', (body, expected) => {
    expect(() => checkFileRequest(body, 'x')).toThrow(expected);
  });
});
