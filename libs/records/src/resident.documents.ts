import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/**
 * Notes that a worker holds documents, for a time.
 *   KEYS  a sorted set of workers for each document, by when their notes end
 *   ARGV  worker, milliseconds
 */
const HOLD = new Script(`
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, ends, ARGV[1])
  redis.call('PEXPIRE', key, ARGV[2])
end
return 1
`);

/**
 * Workers whose notes have not ended.
 *   KEYS  the document's sorted set
 */
const HOLDERS = new Script(`
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + 1, '+inf')
`);

/** Documents whose keys are told in one call. */
const AT_A_TIME = 256;

/**
 * Which workers hold which documents in their memory. It is a hint: what is wrong in it costs a document's reading or a short
 * wait, and what was not said again for a while is forgotten.
 */
export class ResidentDocuments {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** @param forMs how long it is believed, in milliseconds */
  async hold(model: string, workerId: string, documentKeys: readonly string[], forMs: number): Promise<void> {
    for (let first = 0; first < documentKeys.length; first += AT_A_TIME) {
      const keys = documentKeys.slice(first, first + AT_A_TIME).map((key) => this.keys.residents(model, key));
      await HOLD.run(this.redis, keys, [workerId, forMs]);
    }
  }

  async release(model: string, workerId: string, documentKeys: readonly string[]): Promise<void> {
    if (documentKeys.length === 0) return;
    const pipeline = this.redis.pipeline();
    for (const key of documentKeys) pipeline.zrem(this.keys.residents(model, key), workerId);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  /** Names of the workers that hold the document. */
  async holders(model: string, documentKey: string): Promise<string[]> {
    return (await HOLDERS.run(this.redis, [this.keys.residents(model, documentKey)], [])) as string[];
  }
}
