import { expect, it } from 'vitest';
import { DEFAULT_LIMITS, TenantLimits } from './tenant.limits.js';

it("a tenant's own limits go before those of every tenant, and these before the defaults", () => {
  const limits = new TenantLimits({ requestsPerMinute: 5 }, { acme: { concurrentChats: 1 } });
  expect(limits.of('acme')).toEqual({ ...DEFAULT_LIMITS, requestsPerMinute: 5, concurrentChats: 1 });
  expect(limits.of('other')).toEqual({ ...DEFAULT_LIMITS, requestsPerMinute: 5 });
  expect(limits.of('toString')).toEqual({ ...DEFAULT_LIMITS, requestsPerMinute: 5 });
});

it('tokens are unlimited unless a number is given, for a tenant as well', () => {
  const limits = new TenantLimits({ tokensPerDay: 1_000 }, { acme: { tokensPerDay: null, queuedTokens: 7 } });
  expect(limits.of('acme')).toMatchObject({ tokensPerDay: null, queuedTokens: 7 });
  expect(limits.of('other')).toMatchObject({ tokensPerDay: 1_000, queuedTokens: null });
});
