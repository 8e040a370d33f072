import { describe, expect, it } from 'vitest';
import { KeyedLock } from './keyed.lock.js';

/** Work that ends when it is told to, and says when it begins. */
function held(log: string[], name: string) {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const work = async (): Promise<string> => {
    log.push(name);
    await ended;
    return name;
  };
  return { work, end };
}

/** All that can happen without anything ending has happened. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('KeyedLock', () => {
  it('takes turns at one key, in order, and does not wait at another', async () => {
    const lock = new KeyedLock();
    const log: string[] = [];
    const [a, b, c, other] = ['a', 'b', 'c', 'other'].map((name) => held(log, name));
    const results = [a, b, c].map(({ work }) => lock.run('key', work));
    const apart = lock.run('other', other.work);
    await settled();
    expect(log).toEqual(['a', 'other']);
    a.end();
    await settled();
    expect(log).toEqual(['a', 'other', 'b']);
    for (const each of [b, c, other]) each.end();
    expect(await Promise.all([...results, apart])).toEqual(['a', 'b', 'c', 'other']);
  });

  it('goes on after work that failed', async () => {
    const lock = new KeyedLock();
    const failed = lock.run('key', () => Promise.reject(new Error('broken')));
    const next = lock.run('key', () => Promise.resolve('next'));
    await expect(failed).rejects.toThrow('broken');
    expect(await next).toBe('next');
  });

  it('lets one go that gives up waiting, without letting the next one in early', async () => {
    const lock = new KeyedLock();
    const log: string[] = [];
    const [a, b, c] = ['a', 'b', 'c'].map((name) => held(log, name));
    const stop = new AbortController();
    const first = lock.run('key', a.work);
    const second = lock.run('key', b.work, stop.signal);
    const third = lock.run('key', c.work);
    stop.abort(new Error('no longer wanted'));
    await expect(second).rejects.toThrow('no longer wanted');
    await settled();
    expect(log).toEqual(['a']);
    a.end();
    c.end();
    expect(await Promise.all([first, third])).toEqual(['a', 'c']);
    expect(log).toEqual(['a', 'c']);
    await expect(lock.run('key', b.work, stop.signal)).rejects.toThrow('no longer wanted');
  });
});
