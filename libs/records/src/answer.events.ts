import { AnswerEventSchema, type AnswerEvent } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';

/** How long a request's events are kept after the last one, in seconds. */
const KEEP_SECONDS = 3600;

/** Writes what a running request says. Events are kept in a list; the announcement only wakes readers. */
export class AnswerEventWriter {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  async append(requestId: string, event: AnswerEvent): Promise<void> {
    const key = this.keys.events(requestId);
    const text = JSON.stringify(event);
    const replies = await this.redis.multi().rpush(key, text).expire(key, KEEP_SECONDS).publish(key, '').exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
  }
}

/** Reads events of any number of requests over one connection of its own. */
export class AnswerEventReader {
  /** By request: several may read the same one. */
  private readonly wakers = new Map<string, Set<() => void>>();

  /**
   * @param subscriber a connection that does nothing else
   * @param pollMs how long a lost announcement may go unnoticed, in milliseconds
   */
  constructor(
    private readonly redis: Redis,
    private readonly subscriber: Redis,
    private readonly keys: RecordKeys,
    private readonly pollMs = 2_000,
  ) {
    subscriber.on('message', (channel: string) => {
      for (const wake of this.wakers.get(channel) ?? []) wake();
    });
  }

  /** Yields events from the first to `end`, each as it comes. Stops when the signal is aborted. */
  async *read(requestId: string, signal: AbortSignal): AsyncGenerator<AnswerEvent, void, undefined> {
    const key = this.keys.events(requestId);
    let next = 0;
    let wake: () => void = () => undefined;
    let news = true;
    const stop = (): void => {
      wake();
    };
    const announced = (): void => {
      news = true;
      wake();
    };
    signal.addEventListener('abort', stop);
    try {
      await this.join(key, announced);
      while (!signal.aborted) {
        news = false;
        const texts = await this.redis.lrange(key, next, -1);
        next += texts.length;
        for (const text of texts) {
          const event = AnswerEventSchema.parse(JSON.parse(text));
          yield event;
          if (event.kind === 'end') return;
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, this.pollMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          // An announcement or an abort may have come before there was anyone to wake.
          if (news || signal.aborted) wake();
        });
      }
    } finally {
      signal.removeEventListener('abort', stop);
      await this.leave(key, announced);
    }
  }

  private async join(key: string, announced: () => void): Promise<void> {
    const readers = this.wakers.get(key) ?? new Set();
    this.wakers.set(key, readers.add(announced));
    await this.subscriber.subscribe(key);
  }

  private async leave(key: string, announced: () => void): Promise<void> {
    const readers = this.wakers.get(key);
    readers?.delete(announced);
    if (readers?.size !== 0) return;
    this.wakers.delete(key);
    await this.subscriber.unsubscribe(key).catch(() => undefined);
  }
}
