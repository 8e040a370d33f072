import type { Redis } from 'ioredis';
import { z } from 'zod';

/** Devices by id to the model that their workers serve; empty where they do not say. */
export type KnownDevices = Readonly<Partial<Record<string, string>>>;

/** All known devices, and the size of the last one announced of each model. Information, never what a grant depends on. */
export class DeviceRegistry {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {}

  async add(deviceId: string, capacityBytes: number, model: string): Promise<void> {
    await Promise.all([
      this.redis.hset(`${this.prefix}:devices`, deviceId, model),
      this.redis.hset(`${this.prefix}:device-bytes`, model, capacityBytes),
      // Under no model: the last one of all.
      ...(model === '' ? [] : [this.redis.hset(`${this.prefix}:device-bytes`, '', capacityBytes)]),
    ]);
  }

  async remove(deviceId: string): Promise<void> {
    await this.redis.hdel(`${this.prefix}:devices`, deviceId);
  }

  async known(): Promise<KnownDevices> {
    return this.redis.hgetall(`${this.prefix}:devices`);
  }

  /** Model of a device; empty where that is not known. */
  async modelOf(deviceId: string): Promise<string> {
    return (await this.redis.hget(`${this.prefix}:devices`, deviceId)) ?? '';
  }

  /** Capacity of the device of this model that was announced last, or without one of any, in bytes; 0 when there never was one. */
  async lastCapacityBytes(model = ''): Promise<number> {
    const key = `${this.prefix}:device-bytes`;
    const bytes = (await this.redis.hget(key, model)) ?? (model === '' ? null : await this.redis.hget(key, ''));
    return z.coerce.number().parse(bytes ?? 0);
  }
}
