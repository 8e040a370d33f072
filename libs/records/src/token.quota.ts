import type { TokenLimits } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';
import { RELEASE } from './token.release.js';
import { dayOf } from './usage.day.js';

/** Reservations that have lapsed and are given back in one step, at most. */
const MOST_LAPSED = 500;

/**
 * What is used and reserved, once lapsed reservations are given back.
 *   KEYS  reservations, their sums, their lapses, usage of the day
 *   ARGV  day, now in ms
 *   Output: tokens used on the day, reserved on it, reserved in all
 */
const STATE_BODY = `
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[2], 'LIMIT', 0, ${MOST_LAPSED})) do
  release(KEYS[1], KEYS[2], KEYS[3], id, -1)
end
local used = tonumber(redis.call('HGET', KEYS[4], 'tokens') or '0')
local reserved = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local queued = tonumber(redis.call('HGET', KEYS[2], 'all') or '0')
`;
const STATE = new Script(`${RELEASE}${STATE_BODY}return { used, reserved, queued }`);

/**
 * Reserves tokens, unless a limit is in the way. A reservation that is there stays as it is, and a batch that is closed gets none.
 *   KEYS  as above, then for a batch: counts of its lines
 *   ARGV  as above, then: id, tokens, when it lapses in ms, tokens a day, tokens at a time; -1 where there is no limit
 *   Output: 0 reserved or nothing to reserve for, 1 too many for the day, 2 too many at a time; then as above
 */
const RESERVE = new Script(`${RELEASE}${STATE_BODY}
if KEYS[5] and redis.call('HEXISTS', KEYS[5], 'closed') == 1 then return { 0, used, reserved, queued } end
if redis.call('HEXISTS', KEYS[1], ARGV[3]) == 1 then return { 0, used, reserved, queued } end
local tokens, aDay, atATime = tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])
if aDay >= 0 and used + reserved + tokens > aDay then return { 1, used, reserved, queued } end
if atATime >= 0 and queued + tokens > atATime then return { 2, used, reserved, queued } end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4] .. ' ' .. ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[3])
if tokens > 0 then
  add(KEYS[2], 'all', tokens)
  add(KEYS[2], ARGV[1], tokens)
end
return { 0, used, reserved + tokens, queued + tokens }
`);

/** KEYS reservations, their sums, their lapses. ARGV id. */
const GIVE_BACK = new Script(`${RELEASE}
release(KEYS[1], KEYS[2], KEYS[3], ARGV[1], -1)
return 1
`);

/** Tokens of a tenant. */
export interface QuotaState {
  /** Of requests that were accepted on the day and have ended. */
  readonly used: number;
  /** Of those that were accepted on the day and have not. */
  readonly reserved: number;
  /** Of all that have not ended, whenever they were accepted. */
  readonly queued: number;
}

/** What is to be reserved. */
export interface TokenClaim {
  readonly tenant: string;
  /** Of the request, or of the batch for all its lines together. */
  readonly id: string;
  /** Nothing is reserved any more for a batch that is closed. */
  readonly isBatch?: boolean;
  readonly tokens: number;
  /** When it was accepted, in milliseconds since 1970: its tokens are that day's. */
  readonly acceptedAtMs: number;
  /** When it is given back by itself, in milliseconds since 1970: whoever should have done it has died. */
  readonly lapsesAtMs: number;
}

export type Refusal = 'tokensPerDay' | 'queuedTokens';

/**
 * What tenants may still use. Tokens are reserved before a request is accepted, and given back in the step that writes how it
 * ended and counts what it came to (`OutcomeRepository`), or where it ends without: so that they are counted once, whoever dies.
 */
export class TokenQuota {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
    /** Milliseconds since 1970. */
    private readonly now: () => number = Date.now,
  ) {}

  /** Reserving for the same id again changes nothing. @returns `refused`: the limit that is in the way; then nothing is reserved */
  async reserve(
    { tenant, id, isBatch = false, tokens, acceptedAtMs, lapsesAtMs }: TokenClaim,
    { tokensPerDay, queuedTokens }: TokenLimits,
  ): Promise<QuotaState & { readonly refused?: Refusal }> {
    const day = dayOf(acceptedAtMs);
    const limits = [tokensPerDay ?? -1, queuedTokens ?? -1];
    const keys = [...this.stateKeys(tenant, day), ...(isBatch ? [this.keys.lineCounts(id)] : [])];
    const args = [day, this.now(), id, tokens, lapsesAtMs, ...limits];
    const reply = (await RESERVE.run(this.redis, keys, args)) as number[];
    const [code, used, reserved, queued] = reply;
    const state = { used, reserved, queued };
    return code === 0 ? state : { ...state, refused: code === 1 ? 'tokensPerDay' : 'queuedTokens' };
  }

  /** Gives back what is left of a reservation; one that is gone already is none. */
  async release(tenant: string, id: string): Promise<void> {
    await GIVE_BACK.run(this.redis, reservationKeys(this.keys, tenant), [id]);
  }

  /** @param atMs a time of the day that is asked about */
  async state(tenant: string, atMs: number): Promise<QuotaState> {
    const day = dayOf(atMs);
    const reply = await STATE.run(this.redis, this.stateKeys(tenant, day), [day, this.now()]);
    const [used, reserved, queued] = reply as [number, number, number];
    return { used, reserved, queued };
  }

  private stateKeys(tenant: string, day: number): string[] {
    return [...reservationKeys(this.keys, tenant), this.keys.usage(tenant, day)];
  }
}

/** Of the script in token.release.ts. */
export function reservationKeys(keys: RecordKeys, tenant: string): [string, string, string] {
  return [keys.reservations(tenant), keys.reservedTokens(tenant), keys.reservationLapses(tenant)];
}
