import type { DeferredImage } from '@madakv/engine';
import { expect, it } from 'vitest';
import { fixture, loadEngine, request, temporaryCache } from './engine.fixture.js';

const cacheDir = temporaryCache();

it('an answer goes on between two pages of a document that comes while it is written', async () => {
  const pages = fixture('qwen-plain three-images');
  const engine = await loadEngine(pages.checkpoint, cacheDir, { featureCacheBytes: 0 });
  const said: string[] = [];
  const made: Promise<unknown>[] = [];
  const prompt = await engine.model.prepare(pages.messages, pages.images);
  /** Each page as one that is made when it is wanted. */
  const images = prompt.images.map((image, i): DeferredImage => ({
    ...image,
    key: `page ${i}`,
    prepare: () => {
      said.push(`page ${i}`);
      return Promise.resolve(image);
    },
  }));
  const stop = new AbortController();
  const writing = engine.generate(request(prompt, { maxTokens: 400 }), {
    signal: stop.signal,
    onEvent: ({ kind }) => {
      if (kind !== 'token') return;
      said.push('token');
      if (made.length > 0) return;
      const read = engine.generate({ ...request({ ...prompt, images } as never, { maxTokens: 1 }) });
      made.push(read);
      void read.finally(() => {
        stop.abort(new Error('enough'));
      });
    },
  });
  await expect(writing).rejects.toThrow('enough');
  await Promise.all(made);
  const order = said.slice(said.indexOf('page 0')).join(' ');
  // One page is made while the one before is seen: the third one waits for its turn, and tokens come before it.
  expect(order).toMatch(/page 0.* page 1.*token.* page 2/);
});
