import { describe, expect, it } from 'vitest';
import { Isolation } from './isolation.js';

/** Work that runs until it is told to end. */
function openWork() {
  let end: () => void = () => undefined;
  const state = { started: false };
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    state,
    end,
    work: () => {
      state.started = true;
      return done;
    },
  };
}

const never = new AbortController().signal;
const turns = () => new Promise(setImmediate);

describe('Isolation', () => {
  it('lets ordinary work run side by side', async () => {
    const isolation = new Isolation();
    const [a, b] = [openWork(), openWork()];
    const all = [isolation.run(false, never, a.work), isolation.run(false, never, b.work)];
    await turns();
    expect([a.state.started, b.state.started]).toEqual([true, true]);
    a.end();
    b.end();
    await Promise.all(all);
  });

  it('runs a suspect alone: after those before it, before those after it', async () => {
    const isolation = new Isolation();
    const [before, suspect, after] = [openWork(), openWork(), openWork()];
    const all = [
      isolation.run(false, never, before.work),
      isolation.run(true, never, suspect.work),
      isolation.run(false, never, after.work),
    ];
    await turns();
    expect([suspect.state.started, after.state.started]).toEqual([false, false]);
    before.end();
    await turns();
    expect([suspect.state.started, after.state.started]).toEqual([true, false]);
    suspect.end();
    await turns();
    expect(after.state.started).toBe(true);
    after.end();
    await Promise.all(all);
  });

  it('a suspect that is cancelled while it waits holds nobody up', async () => {
    const isolation = new Isolation();
    const [before, after] = [openWork(), openWork()];
    const cancel = new AbortController();
    const first = isolation.run(false, never, before.work);
    const suspect = isolation.run(true, cancel.signal, () => Promise.reject(new Error('must not run')));
    const last = isolation.run(false, never, after.work);
    cancel.abort(new Error('cancelled'));
    await expect(suspect).rejects.toThrow('cancelled');
    await turns();
    expect(after.state.started).toBe(true);
    before.end();
    after.end();
    await Promise.all([first, last]);
  });

  it('work that throws leaves its place', async () => {
    const isolation = new Isolation();
    await expect(isolation.run(true, never, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await isolation.run(true, never, () => Promise.resolve(1))).toBe(1);
  });
});
