import { Inject, Injectable } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';

/** Lines of the files that are inputs of batches, counted while they were uploaded. */
@Injectable()
export class InputLines {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  async set(tenant: string, fileId: string, lines: number): Promise<void> {
    await this.redis.hset(this.key(tenant), fileId, lines);
  }

  /** Blank lines included. */
  async of(tenant: string, fileId: string): Promise<number> {
    return Number((await this.redis.hget(this.key(tenant), fileId)) ?? 0);
  }

  async forget(tenant: string, fileId: string): Promise<void> {
    await this.redis.hdel(this.key(tenant), fileId);
  }

  private key(tenant: string): string {
    return `${this.settings.MADAKV_KEY_PREFIX}:inputlines:${tenant}`;
  }
}
