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

interface Found {
  readonly ids: string[];
  /** Position of the last; none where the list has ended. */
  readonly last?: string;
}

/** Ids that are looked at in one call where a first page of them had too few that were wanted. */
const MANY = 500;

/** Ids of one tenant's records in the order of their creation: a sorted set by a counter. Records' scripts write it. */
export class RecordList {
  /** Key of the counter that gives the next position. */
  readonly counterKey: string;

  constructor(
    private readonly redis: Redis,
    readonly key: string,
  ) {
    this.counterKey = `${key}:next`;
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
    let from: string | undefined = await this.start(after, order);
    for (let count = limit + 1; data.length <= limit && from !== undefined; count = Math.max(count, MANY)) {
      const { ids, last }: Found = await this.ids(from, count, order);
      if (ids.length > 0) data.push(...(await load(ids)));
      from = last === undefined ? undefined : `(${last}`;
    }
    return { data: data.slice(0, limit), hasMore: data.length > limit };
  }

  private async start(after: string | undefined, order: 'asc' | 'desc'): Promise<string> {
    if (after === undefined) return order === 'asc' ? '-inf' : '+inf';
    const score = await this.redis.zscore(this.key, after);
    if (score === null) throw new MadakvError('not_found', `there is no ${after} to list after`, { param: 'after' });
    return `(${score}`;
  }

  private async ids(from: string, count: number, order: 'asc' | 'desc'): Promise<Found> {
    const found =
      order === 'asc'
        ? await this.redis.zrangebyscore(this.key, from, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
        : await this.redis.zrevrangebyscore(this.key, from, '-inf', 'WITHSCORES', 'LIMIT', 0, count);
    const ids = found.filter((_, i) => i % 2 === 0);
    return ids.length < count ? { ids } : { ids, last: found[found.length - 1] };
  }
}
