import { DocumentError } from '@madakv/documents';
import { describe, expect, it, vi } from 'vitest';
import { KnownDocuments } from './known.documents.js';
import type { PartContent } from './document.part.js';

const contentOf = (size: number): PartContent => ({
  sha256: String(size),
  mediaType: 'application/pdf',
  size,
  bytes: () => Promise.resolve(new Uint8Array(size)),
});

describe('KnownDocuments', () => {
  it('fetches each address once, as far as there is room', async () => {
    const known = new KnownDocuments(100);
    const fetch = vi.fn(() => Promise.resolve(contentOf(60)));
    for (const name of ['a', 'a', 'b', 'b', 'a']) expect((await known.content(name, fetch)).size).toBe(60);
    expect(fetch).toHaveBeenCalledTimes(3);
  });

  it('does not fetch again what could not be fetched', async () => {
    const known = new KnownDocuments();
    const fetch = vi.fn(() => Promise.reject(new DocumentError('url_failed', 'it is away', { retryable: true })));
    for (let i = 0; i < 3; i++) await expect(known.content('a', fetch)).rejects.toThrow('it is away');
    expect(fetch).toHaveBeenCalledOnce();
  });

  it('fetches again for others where somebody was cancelled', async () => {
    const known = new KnownDocuments();
    const fetch = vi.fn(() => Promise.resolve(contentOf(1)));
    await expect(known.content('a', () => Promise.reject(new Error('cancelled')))).rejects.toThrow('cancelled');
    expect((await known.content('a', fetch)).size).toBe(1);
  });

  it('draws again what failed, but not what took too long', async () => {
    const known = new KnownDocuments();
    const slow = vi.fn(() => Promise.reject(new DocumentError('raster_timeout', 'page 1 took too long')));
    const crashed = vi.fn(() => Promise.reject(new DocumentError('raster_crashed', 'it died', { retryable: true })));
    for (let i = 0; i < 2; i++) {
      await expect(known.drawn('a 1-3', slow)).rejects.toThrow('took too long');
      await expect(known.drawn('b', crashed)).rejects.toThrow('it died');
    }
    expect([slow.mock.calls.length, crashed.mock.calls.length]).toEqual([1, 2]);
    expect(await known.drawn('a 4', () => Promise.resolve('other pages'))).toBe('other pages');
  });
});
