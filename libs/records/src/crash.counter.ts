import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

const KEEP_SECONDS = 24 * 3600;

/**
 * Takes back one beginning.
 *   KEYS  the request's count
 */
const END = new Script(`
if redis.call('DECR', KEYS[1]) <= 0 then redis.call('DEL', KEYS[1]) end
`);

/**
 * How often an engine or its process died over a request, across workers and attempts: how often work on it began and never
 * ended. A process that is killed can say nothing, so the beginning is what is noted.
 */
export class CrashCounter {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Work begins, and counts until it ends. */
  async begin(requestId: string): Promise<void> {
    const key = this.keys.crashes(requestId);
    const replies = await this.redis.multi().incr(key).expire(key, KEEP_SECONDS).exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
  }

  /** Work that had begun has ended, well or not, and nobody died. */
  async end(requestId: string): Promise<void> {
    await END.run(this.redis, [this.keys.crashes(requestId)], []);
  }

  async count(requestId: string): Promise<number> {
    return Number((await this.redis.get(this.keys.crashes(requestId))) ?? 0);
  }
}
