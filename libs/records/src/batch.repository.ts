import {
  batchUsage,
  BatchRecordSchema,
  MadakvError,
  type BatchObject,
  type BatchRecord,
  type BatchStatus,
} from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { RecordList, type PageQuery, type RecordPage } from './record.list.js';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/**
 * Writes a new batch and lists it, or does nothing where it is.
 *   KEYS  record, the tenant's list, the list's counter, the set of open batches
 *   ARGV  id, record
 */
const CREATE = new Script(`
if redis.call('SET', KEYS[1], ARGV[2], 'NX') == false then return 0 end
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
redis.call('SADD', KEYS[4], ARGV[1])
return 1
`);

/**
 * Replaces a record that is as it was read. One that ends with it is to be announced: that stands from this step on, whoever dies.
 *   KEYS  record, the set of open batches, the set of those to announce
 *   ARGV  id, record as read, record as it shall be, 1 when it ends with this
 */
const REPLACE = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3])
if ARGV[4] == '1' then
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('SADD', KEYS[3], ARGV[1])
end
return 1
`);
const REPLACE_ATTEMPTS = 100;

const ENDED: ReadonlySet<BatchStatus> = new Set(['completed', 'failed', 'expired', 'cancelled']);

/** Which batches are listed; what is left out says nothing. Times are seconds since 1970. */
export interface BatchFilter {
  readonly status?: readonly BatchStatus[] | undefined;
  readonly created_after?: number | undefined;
  readonly created_before?: number | undefined;
}

/** Whether a batch of this status will never change again. */
export function hasEnded(status: BatchStatus): boolean {
  return ENDED.has(status);
}

/** Batches. Until one has ended its counts and usage come from the outcomes of its lines. */
export class BatchRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Creating it again does nothing. */
  async create(record: BatchRecord): Promise<void> {
    const { id } = record.object;
    const { key, counterKey } = this.listOf(record.tenant);
    const keys = [this.keys.batch(id), key, counterKey, this.keys.openBatches()];
    await CREATE.run(this.redis, keys, [id, JSON.stringify(record)]);
  }

  /** For workers, who act for any tenant. */
  async get(id: string): Promise<BatchRecord | undefined> {
    const text = await this.redis.get(this.keys.batch(id));
    return text === null ? undefined : this.counted(parse(text));
  }

  /** @returns undefined where there is none, or it is another tenant's */
  async find(tenant: string, id: string): Promise<BatchRecord | undefined> {
    const record = await this.get(id);
    return record?.tenant === tenant ? record : undefined;
  }

  async list(tenant: string, query: PageQuery & BatchFilter): Promise<RecordPage<BatchRecord>> {
    return this.listOf(tenant).page(query, async (ids) => {
      const texts = await this.redis.mget(ids.map(this.keys.batch));
      const records = texts.filter((text) => text !== null).map(parse);
      return Promise.all(records.filter((record) => fits(record, query)).map((record) => this.counted(record)));
    });
  }

  /** How many batches have not ended. */
  async openCount(): Promise<number> {
    return this.redis.scard(this.keys.openBatches());
  }

  /** Ids of batches that have not ended: all, or that many of them at random. */
  async open(most: number): Promise<string[]> {
    return this.redis.srandmember(this.keys.openBatches(), most);
  }

  /** Ids of batches that have ended and are to be announced: all, or that many of them at random. */
  async unannounced(most: number): Promise<string[]> {
    return this.redis.srandmember(this.keys.unannouncedBatches(), most);
  }

  /** What there was to tell of the batch's end is on its way. */
  async announced(id: string): Promise<void> {
    await this.redis.srem(this.keys.unannouncedBatches(), id);
  }

  /**
   * Changes a batch in one step against all others who change it.
   * @param change gets the record as it stands; undefined leaves it. May be called several times
   * @returns the record as it stands afterwards
   * @throws MadakvError not_found
   */
  async update(id: string, change: (record: BatchRecord) => BatchRecord | undefined): Promise<BatchRecord> {
    const keys = [this.keys.batch(id), this.keys.openBatches(), this.keys.unannouncedBatches()];
    for (let attempt = 0; attempt < REPLACE_ATTEMPTS; attempt++) {
      const text = await this.redis.get(keys[0]);
      if (text === null) throw new MadakvError('not_found', `there is no batch ${id}`);
      const found = parse(text);
      const changed = change(found);
      if (changed === undefined) return this.counted(found);
      const ends = hasEnded(changed.object.status) && !hasEnded(found.object.status);
      const args = [id, text, JSON.stringify(changed), ends ? 1 : 0];
      if ((await REPLACE.run(this.redis, keys, args)) === 1) return this.counted(changed);
    }
    throw new MadakvError('storage_unavailable', `batch ${id} was changed by others ${REPLACE_ATTEMPTS} times`);
  }

  private async counted(record: BatchRecord): Promise<BatchRecord> {
    if (hasEnded(record.object.status)) return record;
    const counts = await this.redis.hgetall(this.keys.lineCounts(record.object.id));
    const of = (name: string): number => Number(counts[name] ?? 0);
    const [completed, failed] = [of('completed'), of('failed')];
    if (completed + failed === 0) return record;
    const usage = batchUsage(of('prompt_tokens'), of('cached_tokens'), of('completion_tokens'));
    const request_counts = { ...record.object.request_counts, completed, failed };
    const object: BatchObject = { ...record.object, request_counts, ...(completed > 0 ? { usage } : {}) };
    return { ...record, object };
  }

  private listOf(tenant: string): RecordList {
    return new RecordList(this.redis, this.keys.batches(tenant));
  }
}

function parse(text: string): BatchRecord {
  return BatchRecordSchema.parse(JSON.parse(text));
}

function fits(
  { object: { status, created_at } }: BatchRecord,
  { status: wanted, created_after = 0, created_before = Infinity }: BatchFilter,
): boolean {
  return (wanted?.includes(status) ?? true) && created_at >= created_after && created_at < created_before;
}
