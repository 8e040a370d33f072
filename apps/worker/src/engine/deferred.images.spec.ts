import { ImageError, type PreparedImage } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { DeferredImages } from './deferred.images.js';

const grid = { frames: 1, rows: 1, cols: 1 };
const layout = { grid, patchGrid: grid, tokens: 1 };
const images = ['a', 'b', 'c'].map((key, i) => ({ key, part: `messages.0.content.${i}`, width: 10, height: 20 }));

/** Images whose pixels are their encoded bytes; notes what is done. */
function deferred(known: ReadonlySet<string> = new Set(), done: string[] = []) {
  const engine = {
    knowsImage: (key: string) => known.has(key),
    model: {
      imageLayout: ({ width }: { width: number }) => {
        if (width > 1_000) throw new ImageError('too wide');
        return layout;
      },
      prepareImage: (bytes: unknown): Promise<PreparedImage> => {
        const [byte] = bytes as Uint8Array;
        if (byte === 255) return Promise.reject(new ImageError('not an image'));
        done.push(`decode ${images[byte].key}`);
        return Promise.resolve({ ...layout, key: `pixels ${byte}`, pixels: Float32Array.of(byte), dims: [1] });
      },
    },
  };
  const imageBytes = (index: number): Promise<Uint8Array> => {
    done.push(`load ${images[index].key}`);
    return Promise.resolve(Uint8Array.of(index));
  };
  return { engine, imageBytes, done };
}

describe('DeferredImages', () => {
  it('loads and decodes nothing before its turn, and then the bytes of the next as well, each once', async () => {
    const { engine, imageBytes, done } = deferred();
    const [c, a, b] = new DeferredImages(engine, images, imageBytes).inOrder([2, 0, 1]);
    expect([c, a, b].map(({ key, tokens }) => [key, tokens])).toEqual([
      ['c', 1],
      ['a', 1],
      ['b', 1],
    ]);
    expect(done).toEqual([]);
    expect((await c.prepare()).pixels).toEqual(Float32Array.of(2));
    expect(done).toEqual(['load c', 'load a', 'decode c']);
    await a.prepare();
    await b.prepare();
    expect(done).toEqual(['load c', 'load a', 'decode c', 'load b', 'decode a', 'decode b']);
  });

  it('reads nothing ahead that the engine knows, and reads it where it has been forgotten since', async () => {
    const { engine, imageBytes, done } = deferred(new Set(['b']));
    const [a, b] = new DeferredImages(engine, images, imageBytes).inOrder([0, 1]);
    await a.prepare();
    expect(done).toEqual(['load a', 'decode a']);
    await b.prepare();
    expect(done).toEqual(['load a', 'decode a', 'load b', 'decode b']);
  });

  it('decodes an image that stands twice each time it is asked to', async () => {
    const { engine, imageBytes, done } = deferred();
    const [first, second] = new DeferredImages(engine, images, imageBytes).inOrder([0, 0]);
    await first.prepare();
    await second.prepare();
    expect(done.filter((step) => step === 'decode a')).toHaveLength(2);
  });

  it('says which part an image was that the model does not take', async () => {
    const { engine } = deferred();
    const wide = [{ ...images[0], width: 2_000 }];
    const never = () => Promise.reject(new Error('not asked for'));
    const refused = { code: 'invalid_document', param: 'messages.0.content.0', reason: 'bad_image' };
    expect(() => new DeferredImages(engine, wide, never).inOrder([0])).toThrow(expect.objectContaining(refused));
    const [broken] = new DeferredImages(engine, images, () => Promise.resolve(Uint8Array.of(255))).inOrder([0]);
    await expect(broken.prepare()).rejects.toMatchObject(refused);
  });

  it('fails with what loading failed with, the read ahead too and only where it is wanted', async () => {
    const { engine } = deferred();
    const gone = new Error('no such key');
    const load = (index: number) => (index === 0 ? Promise.resolve(Uint8Array.of(0)) : Promise.reject(gone));
    const [a, b] = new DeferredImages(engine, images, load).inOrder([0, 1]);
    await a.prepare();
    await new Promise(setImmediate);
    await expect(b.prepare()).rejects.toBe(gone);
  });
});
