import { Redis } from 'ioredis';

export interface RedisConnectionOptions {
  /** Name that `CLIENT LIST` shows. */
  readonly name: string;
  /** A command fails after this many reconnections; null waits for ever, as BullMQ's workers must. 3 by default. */
  readonly maxRetriesPerRequest?: number | null;
}

/**
 * A connection that comes back by itself. Errors of the connection are reported to `onError` once until it is back; commands fail
 * with errors of their own.
 */
export function connectRedis(
  url: string,
  { name, maxRetriesPerRequest = 3 }: RedisConnectionOptions,
  onError: (error: Error) => void,
): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    maxRetriesPerRequest,
    retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 5), 2_000),
  });
  let reported = false;
  redis.on('error', (error: Error) => {
    if (!reported) onError(error);
    reported = true;
  });
  redis.on('ready', () => {
    reported = false;
  });
  return redis;
}
