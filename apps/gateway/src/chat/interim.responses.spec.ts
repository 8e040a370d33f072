import { describe, expect, it } from 'vitest';
import { takesInterim } from './interim.responses.js';

const NODE = { connection: 'keep-alive', 'user-agent': 'node' };

describe('interim responses', () => {
  it.each([
    ['fetch of Node', NODE],
    ['the official client', { ...NODE, 'user-agent': 'OpenAI/JS 6.30.1', 'x-stainless-runtime': 'node' }],
    ['the AI SDK', { ...NODE, 'user-agent': 'ai/5.0.1 ai-sdk/provider-utils/3.0.1 runtime/node.js/22' }],
  ])('are for %s', (_who, headers) => {
    expect(takesInterim({ headers, httpVersion: '1.1' })).toBe(true);
  });

  it.each([
    ['the official client for Python', { connection: 'keep-alive', 'x-stainless-runtime': 'CPython' }, '1.1'],
    ['Python without it', { connection: 'keep-alive', 'user-agent': 'python-requests/2.32.0' }, '1.1'],
    ['curl', { 'user-agent': 'curl/8.14.1' }, '1.1'],
    ['a proxy of HTTP/1.0', NODE, '1.0'],
    ['a proxy that closes', { ...NODE, connection: 'close' }, '1.1'],
    ['a proxy that says nothing of the connection', { 'user-agent': 'node' }, '1.1'],
    ['a proxy that says for whom', { ...NODE, 'x-forwarded-for': '10.0.0.1' }, '1.1'],
    ['a proxy that names itself', { ...NODE, via: '1.1 gate' }, '1.1'],
  ])('are not for %s', (_who, headers, httpVersion) => {
    expect(takesInterim({ headers, httpVersion })).toBe(false);
  });
});
