import type { Redis } from 'ioredis';
import { z } from 'zod';

/** The ids of all known devices, and the size of the last one announced. Information, never what a grant depends on. */
export class DeviceRegistry {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {}

  async add(deviceId: string, capacityBytes: number): Promise<void> {
    await Promise.all([
      this.redis.sadd(`${this.prefix}:devices`, deviceId),
      this.redis.set(`${this.prefix}:device-bytes`, capacityBytes),
    ]);
  }

  async remove(deviceId: string): Promise<void> {
    await this.redis.srem(`${this.prefix}:devices`, deviceId);
  }

  async ids(): Promise<string[]> {
    const ids = await this.redis.smembers(`${this.prefix}:devices`);
    return ids.sort();
  }

  /** Capacity of the device announced last, in bytes; 0 when there never was one. */
  async lastCapacityBytes(): Promise<number> {
    return z.coerce.number().parse((await this.redis.get(`${this.prefix}:device-bytes`)) ?? 0);
  }
}
