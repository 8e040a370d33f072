import { MadakvError } from '@madakv/contracts';
import { Inject, Injectable } from '@nestjs/common';
import { Records } from '@madakv/records';
import type { Redis } from 'ioredis';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';
import { TenantLimits } from './tenant.limits.js';

/** Entries that are asked about in one go: without waiting for each other's answers. */
const LOOKED_AT_AT_A_TIME = 256;
/** Nothing but deleting frees room. In milliseconds. */
const RETRY_MS = 60_000;

/** KEYS: hash of file -> bytes, their sum. ARGV: file, bytes, limit. Returns 1 when the file counts. */
const ADD = `
local bytes = tonumber(ARGV[2])
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
if tonumber(redis.call('GET', KEYS[2]) or '0') + bytes > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], bytes)
redis.call('INCRBY', KEYS[2], bytes)
return 1
`;
/** KEYS as above. ARGV: file. */
const REMOVE = `
local bytes = redis.call('HGET', KEYS[1], ARGV[1])
if not bytes then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DECRBY', KEYS[2], bytes)
return 1
`;

/** KEYS as above. ARGV: file or nothing, its bytes, and parts, in place of which it counts. */
const REPLACE = `
local change = 0
if ARGV[1] ~= '' then change = redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) * tonumber(ARGV[2]) end
for i = 3, #ARGV do
  change = change - tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
  redis.call('HDEL', KEYS[1], ARGV[i])
end
redis.call('INCRBY', KEYS[2], change)
return 1
`;

/** How a part of an upload is named among files. */
const partEntry = (uploadId: string, partId: string): string => `${uploadId}/${partId}`;

/** Bytes that a tenant has uploaded and not deleted. A batch's own files do not count. */
@Injectable()
export class StoredBytes {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(Records) private readonly records: Records,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
  ) {}

  /**
   * @param needed where there is not as much, what others have deleted is looked for first
   * @returns bytes that may still be stored
   * @throws MadakvError rate_limit_exceeded when that is none
   */
  async room(tenant: string, needed = 1): Promise<number> {
    const { storedBytes } = this.limits.of(tenant);
    const left = async (): Promise<number> => storedBytes - Number((await this.redis.get(this.keys(tenant)[1])) ?? 0);
    let room = await left();
    if (room < needed && (await this.forgetDeleted(tenant))) room = await left();
    if (room <= 0) throw this.exceeded(tenant);
    return room;
  }

  /** @throws MadakvError rate_limit_exceeded; then the file does not count */
  async add(tenant: string, fileId: string, bytes: number): Promise<void> {
    const { storedBytes } = this.limits.of(tenant);
    const added = await this.redis.eval(ADD, 2, ...this.keys(tenant), fileId, bytes, storedBytes);
    if (added !== 1) throw this.exceeded(tenant);
  }

  /** @throws MadakvError rate_limit_exceeded; then the part does not count */
  addPart(tenant: string, uploadId: string, partId: string, bytes: number): Promise<void> {
    return this.add(tenant, partEntry(uploadId, partId), bytes);
  }

  removeParts(tenant: string, uploadId: string, partIds: Iterable<string>): Promise<void> {
    return this.replaceParts(tenant, uploadId, partIds, { id: '', bytes: 0 });
  }

  /** A file stands in for the parts that it was made of, and for those that were not used. */
  async replaceParts(
    tenant: string,
    uploadId: string,
    partIds: Iterable<string>,
    { id, bytes }: { readonly id: string; readonly bytes: number },
  ): Promise<void> {
    const parts = Array.from(partIds, (partId) => partEntry(uploadId, partId));
    await this.redis.eval(REPLACE, 2, ...this.keys(tenant), id, bytes, ...parts);
  }

  /** Workers delete expired files, of which nobody tells here. @returns whether there were any */
  private async forgetDeleted(tenant: string): Promise<boolean> {
    const entries = await this.redis.hkeys(this.keys(tenant)[0]);
    let forgotten = false;
    for (let at = 0; at < entries.length; at += LOOKED_AT_AT_A_TIME) {
      const some = entries.slice(at, at + LOOKED_AT_AT_A_TIME);
      const isThere = await Promise.all(some.map((entry) => this.isThere(entry)));
      const gone = some.filter((_, i) => !isThere[i]);
      await Promise.all(gone.map((entry) => this.remove(tenant, entry)));
      forgotten ||= gone.length > 0;
    }
    return forgotten;
  }

  /** A part counts before it is one of its upload's: it is there as long as that goes on. */
  private isThere(entry: string): Promise<boolean> {
    const [id, partId] = entry.split('/') as [string, string | undefined];
    return partId === undefined ? this.records.files.has(id) : this.records.uploads.isPending(id);
  }

  async remove(tenant: string, fileId: string): Promise<void> {
    await this.redis.eval(REMOVE, 2, ...this.keys(tenant), fileId);
  }

  exceeded(tenant: string): MadakvError {
    const { storedBytes } = this.limits.of(tenant);
    return new MadakvError('rate_limit_exceeded', `Files may take ${storedBytes} bytes in all; delete some first.`, {
      reason: 'storage_quota_exceeded',
      retryAfterMs: RETRY_MS,
      lasting: true,
    });
  }

  private keys(tenant: string): [string, string] {
    const prefix = `${this.settings.MADAKV_KEY_PREFIX}:stored`;
    return [`${prefix}:${tenant}`, `${prefix}:${tenant}:sum`];
  }
}
