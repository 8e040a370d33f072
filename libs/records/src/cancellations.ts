import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';

/** How long a cancellation is remembered, in seconds: longer than a batch may run. */
const KEEP_SECONDS = 48 * 3600;

export type CancelReason = 'cancelled' | 'expired';

/** Cancels batches and chat completions, by id, wherever they run. The key is what counts; the announcement only hastens. */
export class Cancellations {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  async cancel(id: string, reason: CancelReason): Promise<void> {
    await this.redis
      .multi()
      .set(this.keys.cancelled(id), reason, 'EX', KEEP_SECONDS)
      .publish(this.keys.cancellations(), id)
      .exec();
  }

  /** The reasons of those ids that are cancelled. */
  async find(ids: readonly string[]): Promise<Map<string, CancelReason>> {
    if (ids.length === 0) return new Map();
    const reasons = await this.redis.mget(ids.map(this.keys.cancelled));
    return new Map(ids.flatMap((id, i) => (reasons[i] === null ? [] : [[id, reasons[i] as CancelReason] as const])));
  }

  /**
   * Calls back for every id that is announced from now on. Announcements may be lost: ask `find` as well, now and then.
   * @param subscriber a connection that does nothing else
   */
  async watch(subscriber: Redis, onCancel: (id: string) => void): Promise<void> {
    const channel = this.keys.cancellations();
    subscriber.on('message', (from: string, id: string) => {
      if (from === channel) onCancel(id);
    });
    await subscriber.subscribe(channel);
  }
}
