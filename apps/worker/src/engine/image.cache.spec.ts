import type { PreparedImage } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { ImageCache } from './image.cache.js';

/** An image of 40 bytes. */
const image = (key: string): PreparedImage => {
  const grid = { frames: 1, rows: 1, cols: 1 };
  return { key, pixels: new Float32Array(10), dims: [10], grid, patchGrid: grid, tokens: 1 };
};

function counted() {
  const prepared: string[] = [];
  const prepare = (key: string) => (): Promise<PreparedImage> => {
    prepared.push(key);
    return Promise.resolve(image(key));
  };
  return { prepared, prepare };
}

describe('ImageCache', () => {
  it('keeps the images used last, as many as fit', async () => {
    const { prepared, prepare } = counted();
    const cache = new ImageCache(100);
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(key, prepare(key));
    expect(prepared).toEqual(['a', 'b', 'c', 'b']);
  });

  it('does not keep an image that is larger than all there is', async () => {
    const { prepared, prepare } = counted();
    const cache = new ImageCache(39);
    await cache.get('a', prepare('a'));
    await cache.get('a', prepare('a'));
    expect(prepared).toEqual(['a', 'a']);
  });

  it('prepares once for all who ask at the same time', async () => {
    const { prepared, prepare } = counted();
    const cache = new ImageCache(0);
    const [first, second] = await Promise.all([cache.get('a', prepare('a')), cache.get('a', prepare('a'))]);
    expect(first).toBe(second);
    expect(prepared).toEqual(['a']);
  });

  it('lets the others try themselves when one fails', async () => {
    const { prepared, prepare } = counted();
    const cache = new ImageCache(100);
    const failing = cache.get('a', () => Promise.reject(new Error('cancelled')));
    const other = cache.get('a', prepare('a'));
    await expect(failing).rejects.toThrow('cancelled');
    expect((await other).key).toBe('a');
    expect(prepared).toEqual(['a']);
  });
});
