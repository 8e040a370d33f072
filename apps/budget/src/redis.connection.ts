import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import type { BudgetSettings } from './budget.settings.js';
import { REDIS } from './budget.tokens.js';

/**
 * A connection that comes back by itself and fails at once while it is away: callers repeat, nothing is queued in memory.
 */
export function connectRedis(settings: BudgetSettings): Redis {
  return new Redis(settings.MADAKV_REDIS_URL, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 2_000,
    connectTimeout: 2_000,
    retryStrategy: (attempt) => Math.min(100 * attempt, 1_000),
  });
}

/** Logs what becomes of the connection, warns of a Redis that may lose leases, and closes it last. */
@Injectable()
export class RedisConnection implements OnApplicationShutdown {
  private readonly logger = new Logger('Redis');

  constructor(@Inject(REDIS) private readonly redis: Redis) {
    let lastError = '';
    redis.on('ready', () => {
      lastError = '';
      this.logger.log('connected');
      void this.checkPersistence();
    });
    redis.on('error', (error: Error) => {
      if (error.message !== lastError) this.logger.error({ message: 'unreachable', error: error.message });
      lastError = error.message;
    });
  }

  async isReady(): Promise<boolean> {
    return this.redis.status === 'ready' && (await this.redis.ping().catch(() => '')) === 'PONG';
  }

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }

  private async checkPersistence(): Promise<void> {
    const [appendonly, policy] = await Promise.all([this.config('appendonly'), this.config('maxmemory-policy')]);
    if (appendonly === 'no') {
      this.logger.warn(
        'appendonly is "no": leases are forgotten when Redis restarts; their memory may be granted twice',
      );
    }
    if (policy !== undefined && policy !== 'noeviction') {
      this.logger.warn(
        `maxmemory-policy is "${policy}": Redis may drop leases under memory pressure; use "noeviction"`,
      );
    }
  }

  /** Undefined where CONFIG is not allowed, as on many hosted servers. */
  private async config(name: string): Promise<string | undefined> {
    const pair: unknown = await this.redis.config('GET', name).catch(() => undefined);
    return Array.isArray(pair) ? String(pair[1]) : undefined;
  }
}
