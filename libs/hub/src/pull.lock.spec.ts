import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type * as fs from 'node:fs/promises';
import { link } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withPullLock } from './pull.lock.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, link: vi.fn(real.link) };
});

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-lock-'));
});
afterEach(() => {
  vi.mocked(link).mockReset();
  rmSync(work, { recursive: true });
});

describe('withPullLock', () => {
  it.each(['EPERM', 'ENOTSUP'])('lets one in at a time where the file system answers a link with %s', async (code) => {
    vi.mocked(link).mockImplementation(() => Promise.reject(Object.assign(new Error('no links'), { code })));
    const path = join(work, 'lock');
    const order: string[] = [];
    const pull = (name: string): Promise<void> =>
      withPullLock(path, {}, async () => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 20));
        order.push(`${name} ends`);
      });
    await Promise.all([pull('a'), pull('b')]);
    const [[first], , [second]] = order;
    expect(order).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
    expect(existsSync(path)).toBe(false);
  });

  it('says what else keeps it from being taken', async () => {
    const failure = Object.assign(new Error('a broken disk'), { code: 'EIO' });
    vi.mocked(link).mockRejectedValue(failure);
    await expect(withPullLock(join(work, 'lock'), {}, () => Promise.resolve())).rejects.toBe(failure);
  });
});
