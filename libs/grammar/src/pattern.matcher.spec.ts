import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patternMatcher } from './pattern.matcher.js';

const PATTERNS = ['^[a-c]{2,4}$', 'x+', '^(?:ab|\\d\\d?)\\.$', '^[^a-z"]{0,3}b$', '^$|^a', 'b$|c', '^(a|b)*c?$', ''];

describe('patternMatcher', () => {
  it('finds a pattern where the language does', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PATTERNS), fc.stringMatching(/^[abcx1."-]{0,8}$/), (pattern, text) => {
        expect(patternMatcher(pattern)(text)).toBe(new RegExp(pattern, 'u').test(text));
      }),
    );
  });

  it.each([
    '^\\S+$',
    '^[^\\s@]+$',
    '^\\s$',
    '^[^\\S]$',
    '^[\\s\\S]+$',
    '^.+$',
    '^[^\\w\\s]$',
    '^[^ü\\d]+$',
    '^[à-ü]+$',
    '^[^à-ü]$',
  ])('knows what %s has beyond ASCII', (pattern) => {
    const texts = [
      'Müller',
      'ü',
      'a\u00a0b',
      '\u00a0',
      '\u2003',
      '\u2028',
      '\ufeff',
      '名前',
      '😀',
      'é@b',
      'a b',
      'é1',
      '\u180e',
    ];
    const isFound = patternMatcher(pattern);
    expect(texts.filter(isFound)).toEqual(texts.filter((text) => new RegExp(pattern, 'u').test(text)));
  });

  it('is not held up by a pattern that makes backtracking endless', () => {
    expect(patternMatcher('^(a+)+$')(`${'a'.repeat(2_000)}!`)).toBe(false);
  });
});
