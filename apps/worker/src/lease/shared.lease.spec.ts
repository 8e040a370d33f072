import type { LeaseEvent } from '@madakv/contracts';
import type { SharedNeed } from '@madakv/requests';
import { describe, expect, it } from 'vitest';
import type { HeldLease } from './held.lease.js';
import { SharedLease } from './shared.lease.js';

const member = (targetBytes: number, answerBytes: number) => ({
  need: { peakBytes: 0, targetBytes, minBytes: targetBytes / 2, fullBytes: 10 * targetBytes },
  answerBytes,
});
const members = [member(100, 10), member(200, 20), member(300, 30)];
const need: SharedNeed = {
  peakBytes: 600 + 60 + 1_000,
  targetBytes: 600,
  minBytes: 300,
  fullBytes: 6_000,
  layerBytes: 1_000,
  members,
};

/** A lease of so many bytes that notes what it is told, each time after a moment. @param fails where that cannot be told */
function lease(grantedBytes: number, fails = false) {
  const told: (number | 'released')[] = [];
  const events: LeaseEvent[] = [];
  const held = {
    ref: { deviceId: 'd', leaseId: 'l', fencingToken: 1 },
    grantedBytes,
    events,
    lost: new AbortController().signal,
    timeToLiveMs: 9,
    resize: async (bytes: number) => {
      await new Promise(setImmediate);
      told.push(bytes);
      if (fails) throw new Error('no answer that anybody knows');
    },
    release: () => {
      told.push('released');
      return Promise.resolve(true);
    },
  } as unknown as HeldLease;
  return { told, shared: new SharedLease(held, need, [], { asked: 1, granted: 2 }) };
}

describe('SharedLease', () => {
  it('gives each its least and the same share of what it asked for beyond that', () => {
    expect(lease(600).shared.shares.map(({ grantedBytes }) => grantedBytes)).toEqual([100, 200, 300]);
    expect(lease(450).shared.shares.map(({ grantedBytes }) => grantedBytes)).toEqual([75, 150, 225]);
    expect(lease(300).shared.shares.map(({ grantedBytes }) => grantedBytes)).toEqual([50, 100, 150]);
    expect(lease(300).shared.shares[1].history).toMatchObject({ requests: 3, grantedBytes: 100 });
  });

  it('is as large as what all may have allocated, said once for all that happens meanwhile, and the last gives it back', async () => {
    const { told, shared } = lease(600);
    const [a, b, c] = shared.shares;
    a.evicted(90);
    b.evicted(180);
    c.evicted(250);
    await a.leave();
    expect(told).toEqual([430]);
    expect(await b.leave()).toBe(true);
    expect(told).toEqual([430, 250]);
    expect(await c.leave()).toBe(true);
    expect(told).toEqual([430, 250, 'released']);
  });

  it('is given back by the last, also where nobody could be told that it shrank', async () => {
    const { told, shared } = lease(600, true);
    const [a, b, c] = shared.shares;
    a.evicted(90);
    await new Promise(setImmediate);
    for (const share of [a, b, c]) expect(await share.leave()).toBe(true);
    expect(told.at(-1)).toBe('released');
  });

  it('covers a layer in full while any of them is being read, and the answers of those that are', async () => {
    const { told, shared } = lease(600);
    const [a, b, c] = shared.shares;
    a.evicted(90);
    await a.leave();
    expect(told).toEqual([220 + 330 + 1_000]);
    // One that is cancelled before it is evicted leaves the others theirs.
    await c.leave();
    expect(told.at(-1)).toBe(220 + 1_000);
    b.evicted(70);
    await b.leave();
    expect(told.at(-1)).toBe('released');
  });
});
