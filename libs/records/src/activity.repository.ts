import { EndedRequestSchema, type EndedRequest } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How far back anybody looks, in hours. */
export const ACTIVITY_HOURS = 24;
/** The hour that has begun counts as well. */
const KEEP_SECONDS = (ACTIVITY_HOURS + 2) * 3600;
/** Requests that are listed, the latest of a tenant. */
const RECENT = 200;
/** How long it is known what a batch's answers kept, in seconds. */
const KEEP_BATCH_SECONDS = 31 * 24 * 3600;

/** What ended within one minute. */
export interface MinuteOfActivity {
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly answers: number;
  readonly errors: number;
  /** Sums over the answers. */
  readonly firstTokenMs: number;
  readonly grantedRatio: number;
  readonly keptBytes: number;
  readonly fullBytes: number;
  readonly errorCodes: Readonly<Record<string, number>>;
}

/** Sums of a minute, by the names that they have in Redis. */
const SUMS = {
  a: 'answers',
  e: 'errors',
  f: 'firstTokenMs',
  g: 'grantedRatio',
  k: 'keptBytes',
  b: 'fullBytes',
} as const;

/**
 * How many requests ended, minute by minute, for a day, and the last ones by name: of each tenant, and of all. Space is bounded: a hash
 * an hour, with some numbers a minute. Information: what is lost of it is missed by nobody.
 */
export class ActivityRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Call it once for each request that ended. */
  async ended(request: EndedRequest): Promise<void> {
    const pipeline = this.redis.pipeline();
    const minute = Math.floor(request.endedAtMs / MINUTE_MS) % 60;
    for (const key of [request.tenant, undefined].map((tenant) => this.hourKey(tenant, request.endedAtMs))) {
      if (request.errorCode === null) {
        pipeline.hincrby(key, `${minute}:a`, 1);
        pipeline.hincrbyfloat(key, `${minute}:f`, Math.round(request.firstTokenMs ?? 0));
        pipeline.hincrbyfloat(key, `${minute}:g`, request.grantedRatio ?? 0);
        pipeline.hincrby(key, `${minute}:k`, request.keptBytes ?? 0);
        pipeline.hincrby(key, `${minute}:b`, request.fullBytes ?? 0);
      } else {
        pipeline.hincrby(key, `${minute}:e`, 1);
        pipeline.hincrby(key, `${minute}:!${request.errorCode}`, 1);
      }
      pipeline.expire(key, KEEP_SECONDS);
    }
    if (request.batchId !== null && request.errorCode === null) {
      const key = this.keys.batchCache(request.batchId);
      pipeline.hincrby(key, 'full', request.fullBytes ?? 0).hincrby(key, 'kept', request.keptBytes ?? 0);
      pipeline.expire(key, KEEP_BATCH_SECONDS);
    }
    const recent = this.keys.recentRequests(request.tenant);
    pipeline.lpush(recent, JSON.stringify(request)).ltrim(recent, 0, RECENT - 1);
    pipeline.expire(recent, KEEP_SECONDS);
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  /**
   * The minutes from one time to another in which something ended, in order.
   * @param tenant undefined: of all tenants together
   */
  async minutes(tenant: string | undefined, fromMs: number, toMs: number): Promise<MinuteOfActivity[]> {
    const hours: number[] = [];
    for (let hour = Math.floor(fromMs / HOUR_MS) * HOUR_MS; hour <= toMs; hour += HOUR_MS) hours.push(hour);
    const pipeline = this.redis.pipeline();
    for (const hour of hours) pipeline.hgetall(this.hourKey(tenant, hour));
    const replies = (await pipeline.exec()) ?? [];
    return replies.flatMap(([error, fields], i) => {
      if (error !== null) throw error;
      return minutesOf(hours[i], fields as Record<string, string>).filter(
        ({ startMs }) => startMs + MINUTE_MS > fromMs && startMs <= toMs,
      );
    });
  }

  /** Bytes of the caches of batches' answers, before and after eviction; undefined for a batch without answers. */
  async batchCaches(
    batchIds: readonly string[],
  ): Promise<({ readonly fullBytes: number; readonly keptBytes: number } | undefined)[]> {
    if (batchIds.length === 0) return [];
    const pipeline = this.redis.pipeline();
    for (const id of batchIds) pipeline.hmget(this.keys.batchCache(id), 'full', 'kept');
    return ((await pipeline.exec()) ?? []).map(([error, fields]) => {
      if (error !== null) throw error;
      const [full, kept] = fields as [string | null, string | null];
      return full === null ? undefined : { fullBytes: Number(full), keptBytes: Number(kept) };
    });
  }

  /** Those that ended within a day, the latest first. @param nowMs milliseconds since 1970 */
  async recent(tenant: string, most: number, nowMs = Date.now()): Promise<EndedRequest[]> {
    const texts = await this.redis.lrange(this.keys.recentRequests(tenant), 0, most - 1);
    const since = nowMs - ACTIVITY_HOURS * HOUR_MS;
    return texts
      .map((text) => EndedRequestSchema.parse(JSON.parse(text)))
      .filter(({ endedAtMs }) => endedAtMs >= since);
  }

  private hourKey(tenant: string | undefined, atMs: number): string {
    return this.keys.activity(tenant ?? '*', Math.floor(atMs / HOUR_MS));
  }
}

function minutesOf(hourMs: number, fields: Readonly<Record<string, string>>): MinuteOfActivity[] {
  const minutes = new Map<number, Record<string, number> & { errorCodes?: never }>();
  const codes = new Map<number, Record<string, number>>();
  for (const [field, value] of Object.entries(fields)) {
    const colon = field.indexOf(':');
    const [minute, name] = [Number(field.slice(0, colon)), field.slice(colon + 1)];
    const sums = minutes.get(minute) ?? {};
    minutes.set(minute, sums);
    if (name.startsWith('!')) codes.set(minute, { ...codes.get(minute), [name.slice(1)]: Number(value) });
    else if (name in SUMS) sums[SUMS[name as keyof typeof SUMS]] = Number(value);
  }
  return [...minutes]
    .sort(([a], [b]) => a - b)
    .map(([minute, sums]) => ({
      startMs: hourMs + minute * MINUTE_MS,
      answers: 0,
      errors: 0,
      firstTokenMs: 0,
      grantedRatio: 0,
      keptBytes: 0,
      fullBytes: 0,
      ...sums,
      errorCodes: codes.get(minute) ?? {},
    }));
}
