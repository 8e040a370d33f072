import { connectRedis } from '@madakv/records';
import { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';

/** The gateway's connections to Redis. */
export class RedisConnections {
  private readonly logger = new Logger('Redis');
  /** Commands fail after a few reconnections, so that callers are told. */
  readonly main: Redis;
  /** Waits for Redis to come back, as those do who wait for an answer. */
  readonly patient: Redis;
  /** Hears announcements, and does nothing else. */
  readonly subscriber: Redis;

  constructor(url: string) {
    const report = (error: Error): void => {
      this.logger.error({ message: 'unreachable', error: error.message });
    };
    this.main = connectRedis(url, { name: 'gateway' }, report);
    this.patient = connectRedis(url, { name: 'gateway.events', maxRetriesPerRequest: null }, report);
    this.subscriber = connectRedis(url, { name: 'gateway.subscriber', maxRetriesPerRequest: null }, report);
  }

  close(): void {
    for (const redis of [this.main, this.patient, this.subscriber]) redis.disconnect();
  }
}
