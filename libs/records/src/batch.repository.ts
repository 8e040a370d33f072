import { BatchRecordSchema, MadakvError, type BatchObject, type BatchRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { RecordList, type PageQuery, type RecordPage } from './record.list.js';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/** Sets a key to a text if it still has the text that was read. */
const REPLACE = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
`);
const REPLACE_ATTEMPTS = 100;

/** Batches. While one is in progress its counts and usage come from the outcomes of its lines. */
export class BatchRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  async create(record: BatchRecord): Promise<void> {
    await this.redis.set(this.keys.batch(record.object.id), JSON.stringify(record), 'NX');
    await this.listOf(record.tenant).add(record.object.id);
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

  async list(tenant: string, query: PageQuery): Promise<RecordPage<BatchRecord>> {
    return this.listOf(tenant).page(query, async (ids) => {
      const texts = await this.redis.mget(ids.map(this.keys.batch));
      return Promise.all(texts.filter((text) => text !== null).map((text) => this.counted(parse(text))));
    });
  }

  /**
   * Changes a batch in one step against all others who change it.
   * @param change gets the record as it stands; undefined leaves it. May be called several times
   * @returns the record as it stands afterwards
   * @throws MadakvError not_found
   */
  async update(id: string, change: (record: BatchRecord) => BatchRecord | undefined): Promise<BatchRecord> {
    const key = this.keys.batch(id);
    for (let attempt = 0; attempt < REPLACE_ATTEMPTS; attempt++) {
      const text = await this.redis.get(key);
      if (text === null) throw new MadakvError('not_found', `there is no batch ${id}`);
      const changed = change(parse(text));
      if (changed === undefined) return this.counted(parse(text));
      if ((await REPLACE.run(this.redis, [key], [text, JSON.stringify(changed)])) === 1) return this.counted(changed);
    }
    throw new MadakvError('storage_unavailable', `batch ${id} was changed by others ${REPLACE_ATTEMPTS} times`);
  }

  private async counted(record: BatchRecord): Promise<BatchRecord> {
    const counts = await this.redis.hgetall(this.keys.lineCounts(record.object.id));
    const of = (name: string): number => Number(counts[name] ?? 0);
    const [completed, failed] = [of('completed'), of('failed')];
    if (completed + failed === 0) return record;
    const [prompt_tokens, completion_tokens] = [of('prompt_tokens'), of('completion_tokens')];
    const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
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
