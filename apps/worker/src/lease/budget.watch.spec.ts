import { MadakvError } from '@madakv/contracts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BudgetWatch, type BudgetCalls } from './budget.watch.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A service that is there or not. */
class FakeBudget {
  away = false;
  calls = 0;
  asked = new Set<string>();

  readonly call = ((method: string, request: object) => {
    this.calls++;
    this.asked.add(`${method} ${JSON.stringify(request)}`);
    return this.away ? Promise.reject(new MadakvError('budget_unavailable', 'away')) : Promise.resolve({});
  }) as unknown as BudgetCalls['call'];
}

it('tells of the first failure, asks again ever more slowly, and tells when the service is back', async () => {
  const budget = new FakeBudget();
  const watch = new BudgetWatch(budget, { firstMs: 100, longestMs: 400 });
  const changes: boolean[] = [];
  watch.onChange((reachable) => changes.push(reachable));
  await watch.call('queryDemand', {});
  expect([watch.available, changes]).toEqual([true, []]);
  budget.away = true;
  await expect(watch.call('queryDemand', {})).rejects.toMatchObject({ code: 'budget_unavailable' });
  await expect(watch.call('queryDemand', {})).rejects.toMatchObject({ code: 'budget_unavailable' });
  expect([watch.available, changes]).toEqual([false, [false]]);
  const before = budget.calls;
  budget.asked.clear();
  await vi.advanceTimersByTimeAsync(100 + 200 + 400 + 400);
  expect(budget.calls - before).toBe(4);
  // Of one device, not of all.
  expect([...budget.asked]).toEqual(['list {"deviceId":"-"}']);
  budget.away = false;
  await vi.advanceTimersByTimeAsync(400);
  expect([watch.available, changes]).toEqual([true, [false, true]]);
  const after = budget.calls;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(budget.calls).toBe(after);
  watch.close();
});

it('an error of another kind is an answer', async () => {
  const watch = new BudgetWatch({
    call: () => Promise.reject(new MadakvError('invalid_request', 'no such job')),
  });
  await expect(watch.call('queryDemand', {})).rejects.toMatchObject({ code: 'invalid_request' });
  expect(watch.available).toBe(true);
});
