import { expect, it } from 'vitest';
import { RecentMap } from './recent.map.js';

it('forgets what was used longest ago, and nothing else', () => {
  const map = new RecentMap<string, number | undefined>(3);
  for (const [i, key] of ['a', 'b', 'c'].entries()) map.set(key, i);
  expect(map.get('a')).toBe(0);
  map.set('d', undefined);
  expect(['a', 'b', 'c', 'd'].map((key) => map.has(key))).toEqual([true, false, true, true]);
  map.set('c', 7);
  map.set('e', 4);
  expect(['a', 'c', 'd', 'e'].map((key) => map.get(key))).toEqual([undefined, 7, undefined, 4]);
  expect(map.has('d')).toBe(true);
});
