import type { Request } from 'express';
import { describe, expect, it } from 'vitest';
import { checkSameOrigin, sessionToken } from './session.cookie.js';

function requestOf(method: string, headers: Readonly<Record<string, string>>): Request {
  return { method, headers, header: (name: string) => headers[name] } as unknown as Request;
}

describe('the cookie', () => {
  it.each([
    ['madakv_session=abc', 'abc'],
    ['a=b; madakv_session=abc; c=d', 'abc'],
    ['madakv_session=', undefined],
    ['my_madakv_session=abc', undefined],
    ['', undefined],
  ])('%j holds %s', (cookie, token) => {
    expect(sessionToken(requestOf('GET', { cookie }))).toBe(token);
  });
});

describe('what comes with a cookie', () => {
  const host = 'kv.example:8080';
  it.each([
    ['GET', { host, origin: 'https://evil.example' }],
    ['POST', { host, origin: 'http://kv.example:8080' }],
    ['POST', { host: 'gateway:8080', 'x-forwarded-host': 'kv.example', origin: 'https://kv.example' }],
    ['DELETE', { host, 'sec-fetch-site': 'same-origin' }],
  ])('%s %j passes', (method, headers) => {
    expect(() => {
      checkSameOrigin(requestOf(method, headers));
    }).not.toThrow();
  });

  it.each([
    ['POST', { host, origin: 'https://evil.example' }],
    ['POST', { host, origin: 'null' }],
    ['POST', { host, origin: 'http://kv.example' }],
    ['DELETE', { host, 'sec-fetch-site': 'same-site' }],
    ['PUT', { host }],
  ])('%s %j does not', (method, headers) => {
    expect(() => {
      checkSameOrigin(requestOf(method, headers));
    }).toThrow("another site's page");
  });
});
