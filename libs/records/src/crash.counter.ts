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

/** Work on a request that began and never ended. */
export interface Crashes {
  readonly count: number;
  /** When it began, in milliseconds since 1970: the earliest first. */
  readonly begunAtMs: readonly number[];
}

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

  /** What of a request has begun and not ended. */
  async of(requestId: string): Promise<Crashes> {
    const [count, begun] = this.keysOf(requestId);
    const replies = (await this.redis.multi().get(count).lrange(begun, 0, -1).exec()) ?? [];
    for (const [error] of replies) if (error !== null) throw error;
    const [[, counted], [, began]] = replies as [[null, string | null], [null, string[]]];
    return { count: Number(counted ?? 0), begunAtMs: began.map(Number) };
  }

  private keysOf(requestId: string): [count: string, begun: string] {
    return [this.keys.crashes(requestId), this.keys.begun(requestId)];
  }
}
