import { WorkerRecordSchema, type WorkerRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { ACTIVITY_HOURS } from './activity.repository.js';
import type { RecordKeys } from './record.keys.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const KEEP_SECONDS = (ACTIVITY_HOURS + 2) * 3600;
/** A worker that has said nothing for this long is gone, in milliseconds. */
const GONE_MS = 30_000;
/** After an hour's end what workers say of it is there. */
const LATE_MS = 5 * MINUTE_MS;

const DeviceSampleSchema = z.tuple([z.number(), z.number(), z.number()]);

/** What all devices held in a minute, each when it said that it held most. */
export interface DeviceMinute {
  readonly startMs: number;
  readonly capacityBytes: number;
  readonly leasedBytes: number;
  readonly allocatedBytes: number;
}

/** Which workers run and what their devices hold: now, and minute by minute for a day, in a hash an hour. */
export class WorkerRegistry {
  /** Minutes of hours that are over. */
  private readonly past = new Map<number, readonly DeviceMinute[]>();
  /** What was noted last, to note the most of a minute: a device is announced by one process. */
  private noted = { field: '', leasedBytes: 0, allocatedBytes: 0 };

  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
    /** Milliseconds since 1970. */
    private readonly now: () => number = Date.now,
  ) {}

  async announce(worker: WorkerRecord): Promise<void> {
    const pipeline = this.redis.pipeline().hset(this.keys.workers(), worker.id, JSON.stringify(worker));
    if (worker.device !== null) {
      const { id, capacityBytes, leasedBytes, allocatedBytes } = worker.device;
      const key = this.keys.deviceHistory(Math.floor(worker.seenAtMs / HOUR_MS));
      const field = `${Math.floor(worker.seenAtMs / MINUTE_MS) % 60}:${id}`;
      const before = this.noted.field === field ? this.noted : { leasedBytes: 0, allocatedBytes: 0 };
      this.noted = {
        field,
        leasedBytes: Math.max(before.leasedBytes, leasedBytes),
        allocatedBytes: Math.max(before.allocatedBytes, allocatedBytes),
      };
      const sample = [capacityBytes, this.noted.leasedBytes, this.noted.allocatedBytes];
      pipeline.hset(key, field, JSON.stringify(sample));
      pipeline.expire(key, KEEP_SECONDS);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
  }

  /** Those that live, by name; the others are forgotten. */
  async list(): Promise<WorkerRecord[]> {
    const texts = await this.redis.hvals(this.keys.workers());
    const records = texts.map((text) => WorkerRecordSchema.parse(JSON.parse(text)));
    const gone = records.filter(({ seenAtMs }) => seenAtMs < this.now() - GONE_MS);
    if (gone.length > 0) await this.redis.hdel(this.keys.workers(), ...gone.map(({ id }) => id));
    return records.filter((record) => !gone.includes(record)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async forget(id: string): Promise<void> {
    await this.redis.hdel(this.keys.workers(), id);
  }

  /** Sums over all devices, minute by minute. Hour by hour, so that a thousand devices hold nobody else up for long. */
  async deviceMinutes(fromMs: number, toMs: number): Promise<DeviceMinute[]> {
    const minutes: DeviceMinute[] = [];
    for (let hour = Math.floor(fromMs / HOUR_MS); hour * HOUR_MS <= toMs; hour++) {
      minutes.push(...(await this.minutesOf(hour)));
    }
    return minutes.filter(({ startMs }) => startMs + MINUTE_MS > fromMs && startMs <= toMs);
  }

  /** In order. An hour that is over is read once. */
  private async minutesOf(hour: number): Promise<readonly DeviceMinute[]> {
    const known = this.past.get(hour);
    if (known !== undefined) return known;
    const fields = await this.redis.hgetall(this.keys.deviceHistory(hour));
    const sums = new Map<number, [number, number, number]>();
    for (const [field, text] of Object.entries(fields)) {
      const startMs = hour * HOUR_MS + Number(field.slice(0, field.indexOf(':'))) * MINUTE_MS;
      const before = sums.get(startMs) ?? [0, 0, 0];
      const sample = DeviceSampleSchema.parse(JSON.parse(text));
      sums.set(startMs, [before[0] + sample[0], before[1] + sample[1], before[2] + sample[2]]);
    }
    const minutes = [...sums]
      .sort(([a], [b]) => a - b)
      .map(([startMs, [capacityBytes, leasedBytes, allocatedBytes]]) => ({
        startMs,
        capacityBytes,
        leasedBytes,
        allocatedBytes,
      }));
    // Clocks differ, and a worker says a minute late what it held.
    if (this.now() > (hour + 1) * HOUR_MS + LATE_MS) {
      this.past.set(hour, minutes);
      for (const old of this.past.keys()) if (old < hour - 2 * ACTIVITY_HOURS) this.past.delete(old);
    }
    return minutes;
  }
}
