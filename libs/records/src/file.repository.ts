import { FileRecordSchema, type FilePurpose, type FileRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { RecordList, type PageQuery, type RecordPage } from './record.list.js';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/** Records that are asked for in one call: its reply keeps Redis from others for that long. */
const MOST_AT_ONCE = 512;

/**
 * Writes a file's record and lists it where it is not yet.
 *   KEYS  record, the tenant's list, the list's counter, files by the time they expire
 *   ARGV  id, record, seconds since 1970 when it expires or nothing
 */
const WRITE = new Script(`
redis.call('SET', KEYS[1], ARGV[2])
if redis.call('ZSCORE', KEYS[2], ARGV[1]) == false then
  redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
end
if ARGV[3] == '' then redis.call('ZREM', KEYS[4], ARGV[1]) else redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1]) end
return 1
`);

/** Which files there are and whose they are. Contents lie in the FileStore, written before the record and deleted after it. */
export class FileRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Writing the same record again is fine. */
  async create(record: FileRecord): Promise<void> {
    const { id, expires_at } = record.object;
    const { key, counterKey } = this.listOf(record.tenant);
    const keys = [this.keys.file(id), key, counterKey, this.keys.expiringFiles()];
    await WRITE.run(this.redis, keys, [id, JSON.stringify(record), expires_at ?? '']);
  }

  /** Whose ever it is. */
  async has(id: string): Promise<boolean> {
    return (await this.redis.exists(this.keys.file(id))) === 1;
  }

  /** @returns undefined where there is none, or it is another tenant's */
  async find(tenant: string, id: string): Promise<FileRecord | undefined> {
    const record = await this.get(id);
    return record?.tenant === tenant ? record : undefined;
  }

  /** The same for many at a time. @returns in the order of the ids */
  async findMany(tenant: string, ids: readonly string[]): Promise<(FileRecord | undefined)[]> {
    const found: (FileRecord | undefined)[] = [];
    for (let start = 0; start < ids.length; start += MOST_AT_ONCE) {
      const texts = await this.redis.mget(ids.slice(start, start + MOST_AT_ONCE).map(this.keys.file));
      for (const text of texts) {
        const record = text === null ? undefined : parse(text);
        found.push(record?.tenant === tenant ? record : undefined);
      }
    }
    return found;
  }

  async list(tenant: string, query: PageQuery & { readonly purpose?: FilePurpose }): Promise<RecordPage<FileRecord>> {
    return this.listOf(tenant).page(query, async (ids) => {
      const texts = await this.redis.mget(ids.map(this.keys.file));
      return texts
        .filter((text) => text !== null)
        .map(parse)
        .filter(({ object }) => query.purpose === undefined || object.purpose === query.purpose);
    });
  }

  /** Files whose time is over, those first that are so for longest. @param at seconds since 1970 */
  async expired(at: number, most: number): Promise<FileRecord[]> {
    const ids = await this.redis.zrangebyscore(this.keys.expiringFiles(), '-inf', at, 'LIMIT', 0, most);
    const records = await Promise.all(ids.map((id) => this.get(id)));
    return records.filter((record) => record !== undefined);
  }

  /** @returns the record that was there */
  async delete(tenant: string, id: string): Promise<FileRecord | undefined> {
    const record = await this.find(tenant, id);
    if (record === undefined) return undefined;
    const replies = await this.redis
      .multi()
      .del(this.keys.file(id))
      .zrem(this.listOf(tenant).key, id)
      .zrem(this.keys.expiringFiles(), id)
      .exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
    return record;
  }

  private async get(id: string): Promise<FileRecord | undefined> {
    const text = await this.redis.get(this.keys.file(id));
    return text === null ? undefined : parse(text);
  }

  private listOf(tenant: string): RecordList {
    return new RecordList(this.redis, this.keys.files(tenant));
  }
}

function parse(text: string): FileRecord {
  return FileRecordSchema.parse(JSON.parse(text));
}
