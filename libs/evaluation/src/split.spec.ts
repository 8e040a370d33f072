import { describe, expect, it } from 'vitest';
import { isInSplit, splitOf } from './split.js';

describe('splitOf', () => {
  const keys = Array.from({ length: 2000 }, (_, i) => `page-${i}`);

  it('halves the documents', () => {
    const tuned = keys.filter((key) => splitOf(key) === 'tune').length;
    expect(Math.abs(tuned - 1000)).toBeLessThan(100);
  });

  it('puts every document in exactly one half, and all of them in both together', () => {
    for (const key of keys) {
      expect(isInSplit(key, 'tune')).not.toBe(isInSplit(key, 'report'));
      expect(isInSplit(key, 'all')).toBe(true);
    }
  });

  it('does not change', () => {
    expect(['a', 'e', 'f', 'g'].map(splitOf)).toEqual(['tune', 'report', 'report', 'report']);
  });
});
