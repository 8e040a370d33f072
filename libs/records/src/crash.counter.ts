import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';

const KEEP_SECONDS = 24 * 3600;

/** How often an engine died over a request, across workers and attempts. */
export class CrashCounter {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Counts one more. @returns how many there are now */
  async add(requestId: string): Promise<number> {
    const key = this.keys.crashes(requestId);
    const replies = await this.redis.multi().incr(key).expire(key, KEEP_SECONDS).exec();
    return Number(replies?.[0]?.[1] ?? 0);
  }

  async count(requestId: string): Promise<number> {
    return Number((await this.redis.get(this.keys.crashes(requestId))) ?? 0);
  }
}
