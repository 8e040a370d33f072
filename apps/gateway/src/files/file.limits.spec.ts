import { expect, it } from 'vitest';
import { filenameOf } from './file.limits.js';

it.each([
  ['a.jsonl', 'a.jsonl'],
  ['', 'upload'],
  ['x'.repeat(300), 'x'.repeat(255)],
  ['\ud800.jsonl', '\ufffd.jsonl'],
  // Cut between the halves of an emoji.
  [`😀${'x'.repeat(254)}`, `\ufffd${'x'.repeat(254)}`],
])('%j is kept as %j, which a header can hold', (given, name) => {
  expect(filenameOf(given)).toBe(name);
  expect(() => encodeURIComponent(name)).not.toThrow();
});
