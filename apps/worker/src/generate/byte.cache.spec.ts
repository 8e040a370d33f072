import { describe, expect, it } from 'vitest';
import { ByteCache } from './byte.cache.js';

const content = (bytes: number) => () => Promise.resolve(new Uint8Array(bytes));

describe('ByteCache', () => {
  it('drops the least recently used beyond its limit', async () => {
    const cache = new ByteCache(10);
    const a = await cache.get('a', content(4));
    await cache.get('b', content(4));
    expect(await cache.get('a', content(4))).toBe(a);
    await cache.get('c', content(4));
    expect(cache.bytes).toBe(8);
    expect(await cache.get('a', content(4))).toBe(a);
    let loads = 0;
    await cache.get('b', () => {
      loads++;
      return content(4)();
    });
    expect(loads).toBe(1);
  });

  it('loads once what is asked for twice at a time', async () => {
    const cache = new ByteCache(10);
    let loads = 0;
    const load = () => {
      loads++;
      return content(1)();
    };
    const [first, second] = await Promise.all([cache.get('a', load), cache.get('a', load)]);
    expect(first).toBe(second);
    expect(loads).toBe(1);
  });

  it('keeps nothing of what is larger than it, or could not be loaded', async () => {
    const cache = new ByteCache(10);
    expect((await cache.get('a', content(11))).byteLength).toBe(11);
    await expect(cache.get('b', () => Promise.reject(new Error('gone')))).rejects.toThrow('gone');
    expect((await cache.get('b', content(3))).byteLength).toBe(3);
    expect(cache.bytes).toBe(3);
  });
});
