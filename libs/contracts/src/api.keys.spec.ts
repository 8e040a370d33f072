import { expect, it } from 'vitest';
import { hashApiKey, newApiKey } from './api.keys.js';

it('makes keys that cannot be guessed, and records that do not hold them', () => {
  const [one, other] = [newApiKey('acme', 'ci'), newApiKey('acme')];
  expect(one.key).toMatch(/^mk-[\w-]{43}$/);
  expect(one.key).not.toBe(other.key);
  expect(one.record).toEqual({ tenant: 'acme', sha256: hashApiKey(one.key), name: 'ci' });
  expect(other.record).not.toHaveProperty('name');
});

it('refuses a tenant that could not be part of a key', () => {
  expect(() => newApiKey('a b')).toThrow('1 to 64 letters');
});
