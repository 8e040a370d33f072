import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

const KEEP_SECONDS = 24 * 3600;

/**
 * Takes back one beginning.
 *   KEYS  the request's count, when what it counts began
 */
const END = new Script(`
redis.call('RPOP', KEYS[2])
if redis.call('DECR', KEYS[1]) <= 0 then redis.call('DEL', KEYS[1], KEYS[2]) end
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
    const [count, begun] = this.keysOf(requestId);
    const work = this.redis.multi().incr(count).expire(count, KEEP_SECONDS);
    const replies = await work.rpush(begun, Date.now()).expire(begun, KEEP_SECONDS).exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
  }

  /** Work that had begun has ended, well or not, and nobody died. */
  async end(requestId: string): Promise<void> {
    await END.run(this.redis, this.keysOf(requestId), []);
  }

  async count(requestId: string): Promise<number> {
    return Number((await this.redis.get(this.keys.crashes(requestId))) ?? 0);
  }

  /** When work on it began that has not ended, in milliseconds since 1970: the earliest first. */
  async begun(requestId: string): Promise<number[]> {
    return (await this.redis.lrange(this.keys.begun(requestId), 0, -1)).map(Number);
  }

  private keysOf(requestId: string): [count: string, begun: string] {
    return [this.keys.crashes(requestId), this.keys.begun(requestId)];
  }
}
