import { MadakvError, UploadRecordSchema, type UploadRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/** An upload that has ended is known for a day: who asks again hears the same. */
const KEEP_SECONDS = 24 * 3_600;

/**
 * Writes a new upload.
 *   KEYS  record, parts, pending uploads
 *   ARGV  id, record, seconds since 1970 when it expires
 */
const CREATE = new Script(`
redis.call('SET', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[2], '', 1)
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return 1
`);

/**
 * Adds a part to an upload that is pending and may have more.
 *   KEYS  parts
 *   ARGV  part, bytes, most parts
 *   returns 1; 0 when it is not pending; -1 when it has as many as it may
 */
const ADD_PART = new Script(`
if redis.call('HEXISTS', KEYS[1], '') == 0 then return 0 end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then return -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`);

/**
 * Replaces the record of a pending upload that is as it was read.
 *   KEYS  record, parts, pending uploads
 *   ARGV  id, record as read, record as it shall be, seconds to keep it when it ends with this (then what it leaves is to be
 *         cleared), seconds since 1970 when that, or else its expiry, is due, seconds since 1970 at which it must be due now
 *   returns 1; 0 when it is not as it was read; -1 when it is not due
 */
const REPLACE = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if ARGV[6] ~= '' and tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '0') > tonumber(ARGV[6]) then return -1 end
if ARGV[4] == '' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
  redis.call('DEL', KEYS[2])
end
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1])
return 1
`);
const REPLACE_ATTEMPTS = 100;

/** Uploads in parts, and how many bytes each part has. Contents lie in the FileStore, written before a part is added. */
export class UploadRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  async create(record: UploadRecord): Promise<void> {
    const { id, expires_at } = record.object;
    await CREATE.run(this.redis, this.keysOf(id), [id, JSON.stringify(record), expires_at]);
  }

  /** @returns undefined where there is none, or it is another tenant's */
  async find(tenant: string, id: string): Promise<UploadRecord | undefined> {
    const record = await this.get(id);
    return record?.tenant === tenant ? record : undefined;
  }

  /** Whose ever it is. */
  async isPending(id: string): Promise<boolean> {
    return (await this.redis.exists(this.keys.uploadParts(id))) === 1;
  }

  /** Bytes by part; none where the upload is not pending. */
  async parts(id: string): Promise<ReadonlyMap<string, number>> {
    const parts = await this.redis.hgetall(this.keys.uploadParts(id));
    return new Map(Object.entries(parts).flatMap(([part, bytes]) => (part === '' ? [] : [[part, Number(bytes)]])));
  }

  /** @returns `full` where the upload has as many parts as it may; `closed` where it is not pending any more */
  async addPart(id: string, partId: string, bytes: number, most: number): Promise<'added' | 'closed' | 'full'> {
    const added = await ADD_PART.run(this.redis, [this.keys.uploadParts(id)], [partId, bytes, most]);
    return added === 1 ? 'added' : added === 0 ? 'closed' : 'full';
  }

  /**
   * Changes a pending upload in one step against all others who change it. One that has ended stays as it is, for a day.
   * @param change gets the record as it stands; undefined leaves it. May be called several times
   * @param times in seconds since 1970: `expiresAt`, when it counts as expired as long as it stays pending; `dueAt`, where it
   *   stays as it is unless it counts as expired then
   * @returns the record as it stands afterwards
   * @throws MadakvError not_found
   */
  async update(
    id: string,
    change: (record: UploadRecord) => UploadRecord | undefined,
    { expiresAt, dueAt }: { readonly expiresAt?: number; readonly dueAt?: number } = {},
  ): Promise<UploadRecord> {
    for (let attempt = 0; attempt < REPLACE_ATTEMPTS; attempt++) {
      const text = await this.redis.get(this.keys.upload(id));
      if (text === null) throw new MadakvError('not_found', `there is no upload ${id}`);
      const found = parse(text);
      const changed = found.object.status === 'pending' ? change(found) : undefined;
      if (changed === undefined) return found;
      const { status, expires_at } = changed.object;
      const times =
        status === 'pending' ? ['', expiresAt ?? expires_at] : [KEEP_SECONDS, Math.floor(Date.now() / 1000)];
      const args = [id, text, JSON.stringify(changed), ...times, dueAt ?? ''];
      const replaced = await REPLACE.run(this.redis, this.keysOf(id), args);
      if (replaced === 1) return changed;
      if (replaced === -1) return found;
    }
    throw new MadakvError('storage_unavailable', `upload ${id} was changed by others ${REPLACE_ATTEMPTS} times`);
  }

  /** What an upload that has ended left is not there any more. */
  async cleared(id: string): Promise<void> {
    await this.redis.zrem(this.keys.pendingUploads(), id);
  }

  /**
   * Pending uploads whose time is over, and those that have ended and left what is not cleared; those first that are so for
   * longest.
   * @param at seconds since 1970
   */
  async due(at: number, most: number): Promise<UploadRecord[]> {
    const ids = await this.redis.zrangebyscore(this.keys.pendingUploads(), '-inf', at, 'LIMIT', 0, most);
    const records = await Promise.all(ids.map((id) => this.get(id)));
    // Nobody knows whose such a one was: its parts are found as files without an upload.
    await Promise.all(ids.filter((_, i) => records[i] === undefined).map((id) => this.cleared(id)));
    return records.filter((record) => record !== undefined);
  }

  private async get(id: string): Promise<UploadRecord | undefined> {
    const text = await this.redis.get(this.keys.upload(id));
    return text === null ? undefined : parse(text);
  }

  private keysOf(id: string): string[] {
    return [this.keys.upload(id), this.keys.uploadParts(id), this.keys.pendingUploads()];
  }
}

function parse(text: string): UploadRecord {
  return UploadRecordSchema.parse(JSON.parse(text));
}
