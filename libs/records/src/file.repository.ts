import { FileRecordSchema, type FilePurpose, type FileRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { RecordList, type PageQuery, type RecordPage } from './record.list.js';
import type { RecordKeys } from './record.keys.js';

/** Which files there are and whose they are. Contents lie in the FileStore, written before the record and deleted after it. */
export class FileRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Writing the same record again is fine. */
  async create(record: FileRecord): Promise<void> {
    await this.redis.set(this.keys.file(record.object.id), JSON.stringify(record));
    await this.listOf(record.tenant).add(record.object.id);
  }

  /** @returns undefined where there is none, or it is another tenant's */
  async find(tenant: string, id: string): Promise<FileRecord | undefined> {
    const text = await this.redis.get(this.keys.file(id));
    if (text === null) return undefined;
    const record = FileRecordSchema.parse(JSON.parse(text));
    return record.tenant === tenant ? record : undefined;
  }

  async list(tenant: string, query: PageQuery & { readonly purpose?: FilePurpose }): Promise<RecordPage<FileRecord>> {
    return this.listOf(tenant).page(query, async (ids) => {
      const texts = await this.redis.mget(ids.map(this.keys.file));
      return texts
        .filter((text) => text !== null)
        .map((text) => FileRecordSchema.parse(JSON.parse(text)))
        .filter(({ object }) => query.purpose === undefined || object.purpose === query.purpose);
    });
  }

  /** @returns the record that was there */
  async delete(tenant: string, id: string): Promise<FileRecord | undefined> {
    const record = await this.find(tenant, id);
    if (record === undefined) return undefined;
    await this.redis.del(this.keys.file(id));
    await this.listOf(tenant).remove(id);
    return record;
  }

  private listOf(tenant: string): RecordList {
    return new RecordList(this.redis, this.keys.files(tenant));
  }
}
