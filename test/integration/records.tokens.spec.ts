import type { BodySource, Outcome } from '@madakv/contracts';
import { dayOf, RecordKeys, Records, startOfDay, TokenQuota } from '@madakv/records';
import { startRedis, type RedisServer } from '@madakv/testing';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { settlementOf } from './settlement.fixture.js';

const DAY_MS = 86_400_000;
const TODAY = dayOf(Date.now());
/** Noon of the day that runs. */
const NOON = startOfDay(TODAY) + DAY_MS / 2;
const UNLIMITED = { tokensPerDay: null, queuedTokens: null };
const DONE: Outcome = {
  state: 'completed',
  key: 'k',
  usage: {
    prompt_tokens: 50,
    completion_tokens: 10,
    total_tokens: 60,
    prompt_tokens_details: { cached_tokens: 30 },
  },
};
const FAILED: Outcome = { state: 'failed', key: 'k' };

let server: RedisServer;
let redis: Redis;
let records: Records;
let keys: RecordKeys;
let quota: TokenQuota;
/** What the quota takes for now. */
let nowMs: number;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url, { enableAutoPipelining: true });
});
beforeEach(() => {
  const prefix = `{t${randomUUID()}}`;
  records = new Records(redis, prefix);
  keys = new RecordKeys(prefix);
  nowMs = NOON;
  quota = new TokenQuota(redis, keys, () => nowMs);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

const claim = (id: string, tokens: number, changes: object = {}) => ({
  tenant: 'acme',
  id,
  tokens,
  acceptedAtMs: NOON,
  lapsesAtMs: NOON + 600_000,
  ...changes,
});
const chat = (id: string) => ({ requestId: id, source: { kind: 'body', fileKey: 'f' } as BodySource });
const line = (batchId: string, number: number) => ({
  requestId: `${batchId}_${number}`,
  source: { kind: 'line', batchId, line: number, fileKey: 'f', start: 0, length: 1 } as BodySource,
});
const end = (ref: ReturnType<typeof chat>, outcome: Outcome, changes: object = {}): Promise<boolean> =>
  records.outcomes.commit(ref, outcome, settlementOf(ref, outcome, { acceptedAtMs: NOON, ...changes }));

describe('tokens', () => {
  it('are reserved up to the limit of a day, and count what they came to', async () => {
    const limits = { tokensPerDay: 200, queuedTokens: null };
    expect(await quota.reserve(claim('chat-1', 150), limits)).toEqual({ used: 0, reserved: 150, queued: 150 });
    expect(await quota.reserve(claim('chat-2', 51), limits)).toMatchObject({ refused: 'tokensPerDay', reserved: 150 });
    expect(await end(chat('chat-1'), DONE)).toBe(true);
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 0, queued: 0 });
    expect(await quota.reserve(claim('chat-2', 140), limits)).toEqual({ used: 60, reserved: 140, queued: 140 });
    expect(await quota.reserve(claim('chat-3', 1), limits)).toMatchObject({ refused: 'tokensPerDay' });
    // Another tenant's are its own.
    expect(await quota.reserve(claim('chat-3', 200, { tenant: 'other' }), limits)).toMatchObject({ reserved: 200 });
  });

  it('of all that has not ended are limited, of whatever day', async () => {
    const limits = { tokensPerDay: null, queuedTokens: 100 };
    await quota.reserve(claim('batch-1', 60, { acceptedAtMs: NOON - DAY_MS }), limits);
    expect(await quota.reserve(claim('chat-1', 41), limits)).toEqual({
      refused: 'queuedTokens',
      used: 0,
      reserved: 0,
      queued: 60,
    });
    expect(await quota.reserve(claim('chat-2', 40), limits)).toEqual({ used: 0, reserved: 40, queued: 100 });
  });

  it('begin anew at midnight, UTC', async () => {
    const limits = { tokensPerDay: 100, queuedTokens: null };
    const last = startOfDay(TODAY) - 1;
    expect(await quota.reserve(claim('chat-1', 100, { acceptedAtMs: last }), limits)).toMatchObject({ reserved: 100 });
    expect(await quota.reserve(claim('chat-2', 1, { acceptedAtMs: last }), limits)).toMatchObject({ reserved: 100 });
    nowMs = last + 1;
    expect(await quota.reserve(claim('chat-3', 100, { acceptedAtMs: nowMs }), limits)).toEqual({
      used: 0,
      reserved: 100,
      queued: 200,
    });
    // What ends today counts for the day on which it was accepted.
    await end(chat('chat-1'), DONE, { acceptedAtMs: last });
    expect(await quota.state('acme', last)).toEqual({ used: 60, reserved: 0, queued: 100 });
    expect(await quota.state('acme', nowMs)).toEqual({ used: 0, reserved: 100, queued: 100 });
  });

  it('are reserved once, and given back once, however often it is tried', async () => {
    const limits = { tokensPerDay: 100, queuedTokens: 100 };
    for (let i = 0; i < 3; i++) expect(await quota.reserve(claim('chat-1', 80), limits)).toMatchObject({ queued: 80 });
    await quota.reserve(claim('chat-2', 20), limits);
    const ends = await Promise.all([end(chat('chat-1'), DONE), end(chat('chat-1'), FAILED), end(chat('chat-1'), DONE)]);
    expect(ends.filter(Boolean)).toHaveLength(1);
    for (let i = 0; i < 2; i++) await quota.release('acme', 'chat-1');
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 20, queued: 20 });
    await quota.release('acme', 'chat-2');
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 0, queued: 0 });
    expect(await redis.exists(keys.reservations('acme'), keys.reservedTokens('acme'))).toBe(0);
  });

  it('of a request that was given up and answered nevertheless are counted, as they were spent', async () => {
    await quota.reserve(claim('chat-1', 80), UNLIMITED);
    await quota.release('acme', 'chat-1');
    await end(chat('chat-1'), DONE);
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 0, queued: 0 });
  });

  it('of a batch go back line by line, and the rest with its end', async () => {
    await quota.reserve(claim('batch_a', 300), UNLIMITED);
    await end(line('batch_a', 1), DONE, { reservedTokens: 100 });
    await end(line('batch_a', 1), DONE, { reservedTokens: 100 });
    await end(line('batch_a', 2), FAILED, { reservedTokens: 100 });
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 100, queued: 100 });
    await records.outcomes.closeLines('batch_a');
    expect(await end(line('batch_a', 3), DONE, { reservedTokens: 100 })).toBe(false);
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 100, queued: 100 });
    await quota.release('acme', 'batch_a');
    expect(await quota.state('acme', NOON)).toEqual({ used: 60, reserved: 0, queued: 0 });
  });

  it('are not reserved for a batch that is closed, by a validator that stalled', async () => {
    await quota.reserve(claim('batch_a', 10, { isBatch: true }), UNLIMITED);
    await records.outcomes.closeLines('batch_a');
    await quota.release('acme', 'batch_a');
    const late = await quota.reserve(claim('batch_a', 300, { isBatch: true }), UNLIMITED);
    expect(late).toEqual({ used: 0, reserved: 0, queued: 0 });
    await records.outcomes.forgetLines('batch_a');
    await quota.reserve(claim('batch_a', 300, { isBatch: true }), UNLIMITED);
    expect(await redis.exists(keys.reservations('acme'))).toBe(0);
    expect(await quota.reserve(claim('batch_b', 300, { isBatch: true }), UNLIMITED)).toMatchObject({ queued: 300 });
  });

  it('lapse when whoever should give them back has died', async () => {
    const limits = { tokensPerDay: 100, queuedTokens: 100 };
    await quota.reserve(claim('chat-1', 100), limits);
    nowMs = NOON + 599_999;
    expect(await quota.reserve(claim('chat-2', 100), limits)).toMatchObject({ refused: 'tokensPerDay' });
    nowMs = NOON + 600_000;
    expect(await quota.reserve(claim('chat-2', 100), limits)).toEqual({ used: 0, reserved: 100, queued: 100 });
  });

  it('are never more than the limit, whatever many gateways do at a time', async () => {
    const limits = { tokensPerDay: 1_000, queuedTokens: 900 };
    const others = new Redis(server.url);
    const gateways = [quota, new TokenQuota(others, keys, () => nowMs)];
    const asked = Array.from({ length: 400 }, (_, i) => gateways[i % 2].reserve(claim(`chat-${i}`, 7), limits));
    const admitted = (await Promise.all(asked)).filter(({ refused }) => refused === undefined);
    others.disconnect();
    expect(admitted).toHaveLength(Math.floor(900 / 7));
    expect((await quota.state('acme', NOON)).queued).toBe(7 * admitted.length);
  });
});

type Step =
  | { readonly do: 'reserve'; readonly id: number; readonly tokens: number; readonly days: number }
  | { readonly do: 'end'; readonly id: number; readonly fails: boolean; readonly part: number | undefined }
  | { readonly do: 'release'; readonly id: number }
  | { readonly do: 'wait'; readonly hours: number };

const id = fc.nat({ max: 5 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('reserve' as const), id, tokens: fc.nat({ max: 90 }), days: fc.nat({ max: 1 }) }),
    fc.record({
      do: fc.constant('end' as const),
      id,
      fails: fc.boolean(),
      part: fc.option(fc.nat({ max: 50 }), { nil: undefined }),
    }),
    fc.record({ do: fc.constant('release' as const), id }),
    fc.record({ do: fc.constant('wait' as const), hours: fc.nat({ max: 30 }) }),
  ),
  { maxLength: 30 },
);

it('the sums are those of the reservations, and no day goes beyond its limit by what is reserved, in any order of steps', async () => {
  const limits = { tokensPerDay: 150, queuedTokens: 200 };
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const prefix = `{p${randomUUID()}}`;
      const own = new RecordKeys(prefix);
      const { outcomes } = new Records(redis, prefix);
      let now = NOON;
      const ledger = new TokenQuota(redis, own, () => now);
      const accepted = new Map<number, number>();
      for (const step of sequence) {
        if (step.do === 'wait') now += step.hours * 3_600_000;
        else if (step.do === 'release') await ledger.release('acme', `r${step.id}`);
        else if (step.do === 'reserve') {
          const acceptedAtMs = now - step.days * DAY_MS;
          const reservation = { tenant: 'acme', id: `r${step.id}`, tokens: step.tokens };
          await ledger.reserve({ ...reservation, acceptedAtMs, lapsesAtMs: now + DAY_MS }, limits);
          accepted.set(step.id, acceptedAtMs);
        } else {
          const ref = chat(`r${step.id}`);
          const outcome = step.fails ? FAILED : DONE;
          const changes = { acceptedAtMs: accepted.get(step.id) ?? now, reservedTokens: step.part };
          await outcomes.commit(ref, outcome, settlementOf(ref, outcome, changes));
        }
        const held = Object.values(await redis.hgetall(own.reservations('acme'))).map((text) => text.split(' '));
        const sums = await redis.hgetall(own.reservedTokens('acme'));
        const expected = new Map<string, number>();
        for (const [tokens, day] of held) {
          for (const name of ['all', day]) expected.set(name, (expected.get(name) ?? 0) + Number(tokens));
        }
        const present = [...expected].filter(([, tokens]) => tokens > 0);
        expect(Object.fromEntries(Object.entries(sums).map(([name, tokens]) => [name, Number(tokens)]))).toEqual(
          Object.fromEntries(present),
        );
        expect(Number(sums['all'] ?? 0)).toBeLessThanOrEqual(limits.queuedTokens);
        expect(await redis.zcard(own.reservationLapses('acme'))).toBe(held.length);
      }
    }),
    { numRuns: 150 },
  );
});

describe('usage', () => {
  it('is counted by day, tenant and model with the outcome, once', async () => {
    const yesterday = NOON - DAY_MS;
    await end(chat('chat-1'), DONE);
    await end(chat('chat-1'), DONE);
    await end(chat('chat-2'), FAILED);
    await end(chat('chat-3'), DONE, { model: 'a.b-c', acceptedAtMs: yesterday });
    await end(line('batch_b', 1), DONE, { tenant: 'other' });
    const none = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, fullBytes: 0, keptBytes: 0 };
    const once = {
      ...{ requests: 1, errors: 0, promptTokens: 50, cachedTokens: 30, completionTokens: 10 },
      ...{ fullBytes: 100, keptBytes: 20 },
    };
    const before = { day: TODAY - 1, tenant: 'acme', model: 'a.b-c', ...once };
    const now = { day: TODAY, tenant: 'acme', model: 'm', ...once, requests: 2, errors: 1 };
    const others = { day: TODAY, tenant: 'other', model: 'm', ...once };
    expect(await records.usage.days('acme', TODAY - 5, TODAY)).toEqual([before, now]);
    expect(await records.usage.days(undefined, TODAY - 5, TODAY)).toEqual([before, now, others]);
    expect(await records.usage.days('acme', TODAY - 5, TODAY - 1)).toEqual([before]);
    expect(await records.usage.days('nobody', TODAY, TODAY)).toEqual([]);
    await end(chat('chat-4'), FAILED, { tenant: 'late' });
    expect(await records.usage.days('late', TODAY, TODAY)).toMatchObject([{ requests: 1, errors: 1, ...none }]);
  });

  it('takes a bounded room, for a bounded time', async () => {
    for (let i = 0; i < 50; i++) await end(chat(`chat-${i}`), DONE, { model: `m${i % 2}` });
    for (const tenant of ['acme', '*']) {
      const key = keys.usage(tenant, TODAY);
      expect(await redis.hlen(key)).toBeLessThanOrEqual(1 + 2 * 7);
      expect(await redis.ttl(key)).toBeGreaterThan(92 * 86_400);
      expect(await redis.ttl(key)).toBeLessThanOrEqual(94 * 86_400);
    }
  });
});
