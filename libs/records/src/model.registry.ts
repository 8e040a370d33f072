import { ModelRecordSchema, type ModelRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';

/** The models that workers have announced. They stay known while no worker of theirs runs: one may be started for a job. */
export class ModelRegistry {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  async announce(model: ModelRecord): Promise<void> {
    const known = await this.find(model.id);
    // Workers that only prepare do not know how others keep the cache.
    const record: ModelRecord = { ...known, ...model, createdAt: known?.createdAt ?? model.createdAt };
    await this.redis.hset(this.keys.models(), model.id, JSON.stringify(record));
  }

  async find(id: string): Promise<ModelRecord | undefined> {
    const text = await this.redis.hget(this.keys.models(), id);
    return text === null ? undefined : ModelRecordSchema.parse(JSON.parse(text));
  }

  async list(): Promise<ModelRecord[]> {
    const texts = await this.redis.hvals(this.keys.models());
    return texts.map((text) => ModelRecordSchema.parse(JSON.parse(text))).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async forget(id: string): Promise<void> {
    await this.redis.hdel(this.keys.models(), id);
  }
}
