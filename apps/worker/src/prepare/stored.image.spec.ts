import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalFileStore } from '@madakv/storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isKept } from './stored.image.js';

describe('isKept', () => {
  const HOUR_MS = 3_600_000;
  let folder: string;
  let store: LocalFileStore;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'madakv-images-'));
    store = await LocalFileStore.open(folder);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const age = async (hours: number): Promise<Date> => {
    await store.put('images/a', Buffer.from('content'));
    const then = new Date(Date.now() - hours * HOUR_MS);
    utimesSync(join(folder, 'images/a'), then, then);
    return then;
  };

  it('finds nothing where nothing is', async () => {
    expect(await isKept(store, 'images/a')).toBe(false);
  });

  it('leaves a young file alone', async () => {
    const then = await age(11);
    expect(await isKept(store, 'images/a')).toBe(true);
    expect((await store.head('images/a'))?.modifiedAt.getTime()).toBeCloseTo(then.getTime(), -3);
  });

  it('renews an old one before it is swept', async () => {
    await age(47);
    expect(await isKept(store, 'images/a')).toBe(true);
    const file = await store.head('images/a');
    expect(Date.now() - (file?.modifiedAt.getTime() ?? 0)).toBeLessThan(HOUR_MS);
    expect(file?.bytes).toBe(7);
  });
});
