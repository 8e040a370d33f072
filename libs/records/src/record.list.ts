import { MadakvError } from '@madakv/contracts';
import type { Redis } from 'ioredis';

export interface PageQuery {
  /** Id of the record after which the page begins. */
  readonly after?: string;
  readonly limit: number;
  /** Newest first by default. */
  readonly order?: 'asc' | 'desc';
}

export interface RecordPage<T> {
  readonly data: readonly T[];
  readonly hasMore: boolean;
}

/** Ids of one tenant's records in the order of their creation: a sorted set by a counter. */
export class RecordList {
  constructor(
    private readonly redis: Redis,
    private readonly key: string,
  ) {}

  async add(id: string): Promise<void> {
    const position = await this.redis.incr(`${this.key}:next`);
    await this.redis.zadd(this.key, 'NX', position, id);
  }

  async remove(id: string): Promise<void> {
    await this.redis.zrem(this.key, id);
  }

  /**
   * Loads records until a page is full; ids whose record is gone or not wanted are skipped.
   * @throws MadakvError not_found when `after` is not in the list
   */
  async page<T>(
    { after, limit, order = 'desc' }: PageQuery,
    load: (ids: string[]) => Promise<T[]>,
  ): Promise<RecordPage<T>> {
    const data: T[] = [];
    let from = await this.start(after, order);
    while (data.length <= limit) {
      const ids = await this.ids(from, limit + 1, order);
      if (ids.length === 0) break;
      data.push(...(await load(ids)));
      from = await this.start(ids[ids.length - 1], order);
    }
    return { data: data.slice(0, limit), hasMore: data.length > limit };
  }

  private async start(after: string | undefined, order: 'asc' | 'desc'): Promise<string> {
    if (after === undefined) return order === 'asc' ? '-inf' : '+inf';
    const score = await this.redis.zscore(this.key, after);
    if (score === null) throw new MadakvError('not_found', `there is no ${after} to list after`, { param: 'after' });
    return `(${score}`;
  }

  private ids(from: string, count: number, order: 'asc' | 'desc'): Promise<string[]> {
    return order === 'asc'
      ? this.redis.zrangebyscore(this.key, from, '+inf', 'LIMIT', 0, count)
      : this.redis.zrevrangebyscore(this.key, from, '-inf', 'LIMIT', 0, count);
  }
}
