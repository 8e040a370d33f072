import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopMatcher } from './stop.matcher.js';

function feed(matcher: StopMatcher, parts: readonly string[]): string {
  return parts.map((part) => matcher.push(part)).join('') + matcher.flush();
}

describe('StopMatcher', () => {
  it('passes text through when there is nothing to stop at', () => {
    expect(feed(new StopMatcher([]), ['a', 'b'])).toBe('ab');
  });

  it('ends before a stop string that comes in pieces', () => {
    const matcher = new StopMatcher(['END']);
    expect(matcher.push('one E')).toBe('one ');
    expect(matcher.push('N')).toBe('');
    expect(matcher.push('D two')).toBe('');
    expect(matcher.matched).toBe('END');
    expect(matcher.push('more')).toBe('');
    expect(matcher.flush()).toBe('');
  });

  it('gives back what only looked like a stop string', () => {
    const matcher = new StopMatcher(['END']);
    expect(matcher.push('E')).toBe('');
    expect(matcher.push('x')).toBe('Ex');
    expect(matcher.matched).toBeUndefined();
  });

  it('takes the one of several that is complete first', () => {
    const matcher = new StopMatcher(['cd', 'b']);
    expect(matcher.push('abcd')).toBe('a');
    expect(matcher.matched).toBe('b');
  });

  it('does not wait for a longer one that began before', () => {
    for (const parts of [['aab', 'a'], ['aaba'], ['a', 'a', 'b', 'a']]) {
      expect(feed(new StopMatcher(['aaba', 'b']), parts)).toBe('aa');
    }
  });

  it('takes the longest of those that end together', () => {
    const matcher = new StopMatcher(['c', 'bc']);
    expect(matcher.push('abc')).toBe('a');
    expect(matcher.matched).toBe('bc');
  });

  it('emits the same however the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (parts, stops) => {
        const text = parts.join('');
        const lengths = Array.from({ length: text.length + 1 }, (_, length) => length);
        const complete = lengths.find((length) => stops.some((entry) => text.slice(0, length).endsWith(entry)));
        const read = text.slice(0, complete);
        const cut = Math.max(0, ...stops.filter((entry) => read.endsWith(entry)).map((entry) => entry.length));
        expect(feed(new StopMatcher(stops), parts)).toBe(read.slice(0, read.length - cut));
      }),
    );
  });
});
