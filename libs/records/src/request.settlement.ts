import { USAGE_DAYS } from '@madakv/contracts';
import type { RecordKeys } from './record.keys.js';
import { reservationKeys } from './token.quota.js';
import { RELEASE } from './token.release.js';
import { dayOf } from './usage.day.js';

/** Two more, for clocks that differ. */
const KEEP_SECONDS = (USAGE_DAYS + 2) * 86_400;

/** Counts of a day, by the names that they have in Redis. */
export const USAGE_FIELDS = {
  requests: 'n',
  errors: 'e',
  promptTokens: 'p',
  cachedTokens: 'h',
  completionTokens: 'c',
  fullBytes: 'f',
  keptBytes: 'k',
} as const;

export type UsageCounts = Readonly<Record<keyof typeof USAGE_FIELDS, number>>;

/** What a request that ended came to, and what was reserved for it. */
export interface RequestSettlement {
  readonly tenant: string;
  readonly model: string;
  /** Milliseconds since 1970: it counts for that day. */
  readonly acceptedAtMs: number;
  readonly counts: UsageCounts;
  /** The request's id, or its batch's. */
  readonly reservation: string;
  /** Tokens of it that were this request's; undefined: all. */
  readonly reservedTokens: number | undefined;
}

/**
 * Lua, to stand before scripts: counts a request in its day, and gives back what was reserved for it. Call it in the step that
 * writes its outcome: that is once.
 *
 *   settle(k, a)
 *     KEYS from k on  reservations, their sums, their lapses, usage of tenant and day, usage of all and day
 *     ARGV from a on  reservation, tokens of it or -1 for all, seconds that usage is kept, model, tenant, tokens in all, then
 *                     pairs of field and count
 */
export const SETTLE = `${RELEASE}
local function settle(k, a)
  release(KEYS[k], KEYS[k + 1], KEYS[k + 2], ARGV[a], tonumber(ARGV[a + 1]))
  local model, tenant = ARGV[a + 3], ARGV[a + 4]
  if ARGV[a + 5] ~= '0' then redis.call('HINCRBY', KEYS[k + 3], 'tokens', ARGV[a + 5]) end
  for i = a + 6, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[k + 3], model .. '/' .. ARGV[i], ARGV[i + 1])
    redis.call('HINCRBY', KEYS[k + 4], tenant .. '/' .. model .. '/' .. ARGV[i], ARGV[i + 1])
  end
  redis.call('EXPIRE', KEYS[k + 3], ARGV[a + 2])
  redis.call('EXPIRE', KEYS[k + 4], ARGV[a + 2])
end
`;

export function settlementKeys(keys: RecordKeys, { tenant, acceptedAtMs }: RequestSettlement): string[] {
  const day = dayOf(acceptedAtMs);
  return [...reservationKeys(keys, tenant), keys.usage(tenant, day), keys.usage('*', day)];
}

export function settlementArgs(settlement: RequestSettlement): (string | number)[] {
  const { tenant, model, counts, reservation, reservedTokens } = settlement;
  const names = Object.keys(USAGE_FIELDS) as (keyof UsageCounts)[];
  // A count that is no whole number would break the script off in the middle.
  const whole = (name: keyof UsageCounts): number => Math.round(counts[name]);
  const pairs = names.flatMap((name) => (whole(name) === 0 ? [] : [USAGE_FIELDS[name], whole(name)]));
  const tokens = whole('promptTokens') + whole('completionTokens');
  return [reservation, reservedTokens ?? -1, KEEP_SECONDS, model, tenant, tokens, ...pairs];
}
