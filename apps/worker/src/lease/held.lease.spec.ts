import { MadakvError, type BudgetMethod } from '@madakv/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BudgetCalls } from './budget.watch.js';
import { HeldLease } from './held.lease.js';

const ref = { deviceId: 'gpu', leaseId: 'l', fencingToken: 7 };
const grant = { bytes: 1_000, grantedBytes: 600, ttlMs: 3_000 };
const held = (bytes: number) => ({ outcome: 'held' as const, held: { bytes, expiresAtMs: 0, ttlMs: 3_000 } });
const away = new MadakvError('budget_unavailable', 'away');

/** A service that answers as it is told. */
class FakeBudget {
  readonly calls: [BudgetMethod, number | undefined][] = [];
  answer: (method: BudgetMethod) => unknown = () => held(0);

  readonly call = ((method: BudgetMethod, request: { bytes?: number }) => {
    this.calls.push([method, request.bytes]);
    const answer = this.answer(method);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }) as BudgetCalls['call'];
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('HeldLease', () => {
  it('is renewed thrice in its time to live, until it is released', async () => {
    const budget = new FakeBudget();
    const lease = new HeldLease(budget, ref, grant);
    await vi.advanceTimersByTimeAsync(3_050);
    expect(budget.calls).toEqual([
      ['renew', undefined],
      ['renew', undefined],
      ['renew', undefined],
    ]);
    budget.answer = () => ({ outcome: 'released', released: { bytes: 1_000 } });
    expect(await lease.release()).toBe(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(budget.calls).toHaveLength(4);
    expect(lease.events.map(({ event, bytes }) => [event, bytes])).toEqual([
      ['granted', 1_000],
      ['released', 0],
    ]);
  });

  it('goes on while the service is away, and says its size again when it is back', async () => {
    const budget = new FakeBudget();
    const lease = new HeldLease(budget, ref, grant);
    budget.answer = () => away;
    await lease.resize(400);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(lease.lost.aborted).toBe(false);
    expect(lease.bytes).toBe(1_000);
    budget.answer = () => held(400);
    await vi.advanceTimersByTimeAsync(600);
    expect(budget.calls.at(-1)).toEqual(['resize', 400]);
    expect(lease.bytes).toBe(400);
    expect(lease.events.map(({ event }) => event)).toEqual(['granted', 'resized']);
    await lease.release();
  });

  it.each(['GONE', 'STALE_TOKEN'] as const)(
    'is lost when the service says %s, and not asked for again',
    async (reason) => {
      const budget = new FakeBudget();
      const lease = new HeldLease(budget, ref, grant);
      budget.answer = () => ({ outcome: 'refused', refused: { reason } });
      await vi.advanceTimersByTimeAsync(1_100);
      expect(lease.lost.reason).toMatchObject({ code: 'lease_lost', retryable: true, reason: reason.toLowerCase() });
      expect(lease.events.at(-1)).toMatchObject({ event: 'lost', detail: reason });
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await lease.release()).toBe(true);
      expect(budget.calls).toHaveLength(1);
    },
  );

  it('that finds no room to grow is lost: less would be held than is allocated', async () => {
    const budget = new FakeBudget();
    const lease = new HeldLease(budget, ref, grant);
    budget.answer = () => ({ outcome: 'full', full: { reason: 'ROOM', retryAfterMs: 1, position: 0, waitTtlMs: 1 } });
    await lease.resize(2_000);
    expect(lease.lost.aborted).toBe(true);
  });

  it('says when it could not be given back', async () => {
    const budget = new FakeBudget();
    const lease = new HeldLease(budget, ref, grant);
    budget.answer = () => away;
    expect(await lease.release()).toBe(false);
    expect(lease.timeToLiveMs).toBe(3_000);
  });
});
