import { MadakvError } from '@madakv/contracts';
import { Inject, Injectable } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';
import { TenantLimits } from './tenant.limits.js';

/** A place that is not renewed for this long is free again: its gateway died. In milliseconds. */
const PLACE_MS = 30_000;
const RENEW_MS = PLACE_MS / 3;
/** When to ask again, in milliseconds. */
const RETRY_MS = 2_000;

/**
 * KEYS: sorted set of a tenant's chats by when their places lapse. ARGV: chat, limit, milliseconds a place lasts.
 * Returns 1 when the chat has a place.
 */
const TAKE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

/** Chat completions of a tenant that are under way, over all gateways. */
@Injectable()
export class ConcurrentChats {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
  ) {}

  /**
   * Runs `work` in a place of the tenant's.
   * @throws MadakvError rate_limit_exceeded when there is none
   */
  async run<T>(tenant: string, chatId: string, work: () => Promise<T>): Promise<T> {
    const { concurrentChats } = this.limits.of(tenant);
    const key = `${this.settings.MADAKV_KEY_PREFIX}:chats:${tenant}`;
    const take = async (limit: number): Promise<boolean> =>
      (await this.redis.eval(TAKE, 1, key, chatId, limit, PLACE_MS)) === 1;
    if (!(await take(concurrentChats))) {
      throw new MadakvError(
        'rate_limit_exceeded',
        `Too many chat completions at a time: the limit is ${concurrentChats}.`,
        { retryAfterMs: RETRY_MS, reason: 'concurrent_chats_exceeded' },
      );
    }
    const renewal = setInterval(() => void take(Number.MAX_SAFE_INTEGER).catch(() => undefined), RENEW_MS);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      await this.redis.zrem(key, chatId).catch(() => undefined);
    }
  }
}
