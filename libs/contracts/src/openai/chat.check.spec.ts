import { describe, expect, it } from 'vitest';
import { checkChatRequest, parseChatRequest } from './chat.check.js';
import { IGNORED_KEYS, UNSUPPORTED_KEYS } from './chat.other.keys.js';
import { OBEYED_KEYS } from './chat.request.js';

const user = (content: unknown): object => ({ model: 'm', messages: [{ role: 'user', content }] });
const hi = user('hi');
const USER = { role: 'user', content: 'hi' };
const deep = (levels: number): object => (levels === 0 ? {} : { a: deep(levels - 1) });
const file = (source: object): object => user([{ type: 'file', file: source }]);

describe('checkChatRequest', () => {
  it('takes what OpenAI takes, leaves out what changes nothing, and lets null stand for nothing', () => {
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
    [{ ...hi, temperature: '0' }, 'temperature', 'temperature: expected number, received string'],
    [{ ...hi, temperature: Infinity }, 'temperature', /^temperature: expected number/],
    [{ ...hi, max_tokens: 0 }, 'max_tokens', /^max_tokens: .*>=1/],
    [{ ...hi, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'stop: expected at most 4 strings, got 5'],
    [{ ...hi, stop: ['a', 5] }, 'stop.1', 'stop.1: expected string, received number'],
    [{ ...hi, stop: 5 }, 'stop', 'stop: expected string or array'],
    [{ ...hi, stream_options: { continuous_usage_stats: true } }, 'stream_options.continuous_usage_stats', /false/],
    [{ ...hi, max_token: 5 }, 'max_token', /^Unrecognized key: "max_token"; known are model, .*max_tokens/],
    [{ ...hi, madakv: { layout: 'images_first' } }, 'madakv.layout', /"auto"\|"as_given"/],
    [{ ...hi, madakv: { options: deep(9) } }, 'madakv.options', 'madakv.options: expected at most 8 levels'],
    [user('a\ud800b'), 'messages.0.content', /^messages\.0\.content: has half of a surrogate pair/],
    [user([{ type: 'text', text: '\udc00' }]), 'messages.0.content.0.text', /surrogate/],
    [{ ...hi, madakv: { budget: 1 } }, 'madakv.budget', 'madakv: Unrecognized key: "budget"'],
    [{ ...hi, madakv: { cache_ratio: 0.1, min_cache_ratio: 0.2 } }, 'madakv.min_cache_ratio', /min_cache_ratio <=/],
  ])('names the first key that is wrong in %j, and all of them in the message', (body, param, message) => {
    const check = (): unknown => checkChatRequest(body);
    expect(check).toThrow(expect.objectContaining({ code: 'invalid_request', param, httpStatus: 400 }));
    expect(check).toThrow(message);
  });

  it.each([null, '', ' \n', [], [{ type: 'text', text: '' }]])('refuses a user message that is %j', (content) => {
    const refused = expect.objectContaining({
      param: 'messages.0.content',
      message: 'messages.0.content: expected a text or a document, got nothing',
    }) as Error;
    expect(() => checkChatRequest(user(content))).toThrow(refused);
  });

  it.each(['system', 'developer'])('refuses a %s message without a text, and takes an empty one', (role) => {
    const body = (content: unknown): object => ({ model: 'm', messages: [{ role, content }, USER] });
    for (const content of [null, undefined, []]) expect(() => checkChatRequest(body(content))).toThrow(/got nothing/);
    expect(checkChatRequest(body(''))).toEqual(body(''));
  });

  it('takes an assistant message as servers give it, but for what it called', () => {
    const body = (message: object): object => ({ model: 'm', messages: [{ role: 'assistant', ...message }, USER] });
    const given = {
      content: null,
      refusal: null,
      annotations: [],
      audio: null,
      tool_calls: [],
      reasoning_content: 'a',
    };
    expect(checkChatRequest(body({ ...given, name: 'a', id: 1 }))).toEqual(body({ content: null }));
    expect(checkChatRequest(body({ content: [] }))).toEqual(body({ content: [] }));
    expect(() => checkChatRequest(body({ content: null, tool_calls: [{ id: 'a' }] }))).toThrow(
      expect.objectContaining({ param: 'messages.0.tool_calls', reason: 'unsupported_parameter' }),
    );
  });

  it('lets null stand for a key that is missing, wherever it is optional', () => {
    const nulls = { file_id: null, file_url: null, filename: null };
    expect(checkChatRequest(file({ file_data: 'AAAA', ...nulls }))).toEqual(file({ file_data: 'AAAA' }));
    const madakv = { cache_ratio: null, min_cache_ratio: null, policy: null, options: null, pages: null, layout: null };
    expect(checkChatRequest({ ...hi, madakv })).toEqual({ ...hi, madakv: {} });
    const keys = [...OBEYED_KEYS, ...IGNORED_KEYS, ...Object.keys(UNSUPPORTED_KEYS)];
    const optional = keys.filter((key) => key !== 'model' && key !== 'messages');
    const all = Object.fromEntries(optional.map((key) => [key, null]));
    expect(checkChatRequest({ ...all, ...hi })).toMatchObject(hi);
  });

  it.each([
    ['', null],
    ['END', 'END'],
    [[], []],
    [['', 'END'], ['END']],
  ])('takes the stop %j for %j', (stop, meant) => {
    expect(checkChatRequest({ ...hi, stop })).toEqual({ ...hi, stop: meant });
  });

  it('refuses a body of countless values, right or wrong, before it looks at each', () => {
    for (const wrong of [
      { ...hi, stop: Array(1_000_000).fill(1) },
      { model: 'm', messages: Array(1_000_000).fill({}) },
      user(Array(300_000).fill({ type: 'x' })),
      { ...hi, metadata: { a: [Array(20_000).fill(0)] } },
    ]) {
      expect(() => checkChatRequest(wrong)).toThrow('the body has more than 20000 values');
    }
    const parts = Array(5_000).fill({ type: 'text', text: 'a' });
    expect(checkChatRequest(user(parts))).toEqual(user(parts));
  });

  it('repeats no more of what is wrong than helps to find it', () => {
    const unknown = Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`k${i}`, 1]));
    expect(() => checkChatRequest({ ...hi, ...unknown })).toThrow(/^Unrecognized keys: "k0", .*"k9" and 3 more; known/);
    const long = { ...hi, madakv: { options: { ['x'.repeat(10_000)]: 1 } } };
    for (const body of [long, { ...hi, ['y'.repeat(10_000)]: 1 }]) {
      expect(() => checkChatRequest(body)).toThrow(/^.{50,500}$/s);
    }
  });

  it('lists no more than ten complaints', () => {
    const messages = Array.from({ length: 13 }, () => ({ role: 'x', content: '' }));
    expect(() => checkChatRequest({ model: 'm', messages })).toThrow(/messages\.9\.role: [^;]*; and 3 more$/);
  });
});

describe('what is not obeyed', () => {
  it.each([
    ['tools', [{ type: 'function' }], []],
    ['tool_choice', 'required', 'auto'],
    ['tool_choice', { type: 'function' }, 'none'],
    ['functions', [{}], []],
    ['function_call', { name: 'a' }, 'none'],
    ['modalities', ['text', 'audio'], ['text']],
    ['logit_bias', { '5': -100 }, {}],
    ['audio', {}, null],
    ['prediction', { type: 'content' }, null],
    ['web_search_options', {}, null],
    ['guided_json', '{}', null],
    ['guided_choice', ['a'], []],
    ['best_of', 2, 1],
    ['echo', true, false],
    ['suffix', 'a', ''],
    ['min_tokens', 5, 0],
    ['min_p', 0.1, 0],
    ['ignore_eos', true, false],
    ['stop_token_ids', [5], []],
    ['chat_template_kwargs', { enable_thinking: true }, {}],
  ])('%s %j is refused by name, and %j taken', (key, asked, nothing) => {
    const refused = { code: 'invalid_request', param: key, reason: 'unsupported_parameter', httpStatus: 400 };
    expect(() => checkChatRequest({ ...hi, [key]: asked })).toThrow(expect.objectContaining(refused));
    expect(() => checkChatRequest({ ...hi, [key]: asked })).toThrow(
      `${key}: not supported; leave it out, or send null`,
    );
    expect(checkChatRequest({ ...hi, [key]: nothing })).toEqual(hi);
  });

  it('is refused as a whole, or ignored as a whole', () => {
    const asked = { deep: [1] };
    for (const key of Object.keys(UNSUPPORTED_KEYS)) {
      expect(() => checkChatRequest({ ...hi, [key]: asked })).toThrow(`${key}: not supported`);
    }
    for (const key of IGNORED_KEYS) expect(checkChatRequest({ ...hi, [key]: asked })).not.toHaveProperty(key);
  });
});

describe('parseChatRequest', () => {
  it('parses and checks', () => {
    expect(parseChatRequest(JSON.stringify(hi))).toEqual(hi);
    expect(() => parseChatRequest('{"model": "m", }')).toThrow(expect.objectContaining({ code: 'invalid_json' }));
    expect(() => parseChatRequest('5')).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});
