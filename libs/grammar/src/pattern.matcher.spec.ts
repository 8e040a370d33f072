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

  it('is not held up by a pattern that makes backtracking endless', () => {
    expect(patternMatcher('^(a+)+$')(`${'a'.repeat(2_000)}!`)).toBe(false);
  });
});
