import { MAX_PRIORITY } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/**
 * Hash of a model: `now` the highest tag served, `issued` the highest given out, and each tenant's last one. When all that
 * was given out has been served the clock starts anew, so tags stay small.
 *   KEYS  the model's shares
 *   ARGV  tenant, how many, the highest tag there is
 *   Output: the first tag
 */
const RESERVE = new Script(`
local tenant, count, most = 't:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(redis.call('HGET', KEYS[1], 'now') or '0')
local issued = tonumber(redis.call('HGET', KEYS[1], 'issued') or '0')
if now >= issued then
  redis.call('DEL', KEYS[1])
  now, issued = 0, 0
end
local last = tonumber(redis.call('HGET', KEYS[1], tenant) or '0')
local first = math.min(math.max(now, last) + 1, most)
local final = math.min(first + count - 1, most)
redis.call('HSET', KEYS[1], tenant, final, 'now', now, 'issued', math.max(issued, final))
return first
`);

/** A tag above all that were issued comes from before the clock's last start and says nothing about now. */
const SERVED = new Script(`
local issued = tonumber(redis.call('HGET', KEYS[1], 'issued') or '0')
local now = tonumber(redis.call('HGET', KEYS[1], 'now') or '0')
local tag = tonumber(ARGV[1])
if tag > now and tag <= issued then redis.call('HSET', KEYS[1], 'now', tag) end
return 1
`);

/**
 * Fair queueing among a model's tenants by virtual start times (Goyal et al., "Start-time Fair Queuing", 1997): each
 * request of a tenant gets a tag one above the tenant's last, and never below what is being served. Served in the order
 * of tags, a tenant with 10 requests stands beside the first 10 of one with 50,000. Each model has a clock of its own, as
 * each has a queue of its own. A model that is busy for MAX_PRIORITY requests on end starts its clock anew as well; what
 * was queued before then, at most a window a batch, runs in the next pause.
 */
export class FairShares {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** @returns tags for `count` requests, ascending, in [1, MAX_PRIORITY] */
  async reserve(model: string, tenant: string, count: number): Promise<number[]> {
    const first = Number(await RESERVE.run(this.redis, [this.keys.shares(model)], [tenant, count, MAX_PRIORITY]));
    return Array.from({ length: count }, (_, i) => Math.min(first + i, MAX_PRIORITY));
  }

  /** A request with this tag has begun. */
  async served(model: string, tag: number): Promise<void> {
    await SERVED.run(this.redis, [this.keys.shares(model)], [tag]);
  }
}
