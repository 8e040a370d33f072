import { MadakvError } from '@madakv/contracts';
import { Inject, Injectable } from '@nestjs/common';
import { Records } from '@madakv/records';
import type { Redis } from 'ioredis';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';
import { TenantLimits } from './tenant.limits.js';

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

  /** @returns bytes that may still be stored @throws MadakvError rate_limit_exceeded when that is none */
  async room(tenant: string): Promise<number> {
    const { storedBytes } = this.limits.of(tenant);
    const left = async (): Promise<number> => storedBytes - Number((await this.redis.get(this.keys(tenant)[1])) ?? 0);
    let room = await left();
    if (room <= 0 && (await this.forgetDeleted(tenant))) room = await left();
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
    let forgotten = false;
    for (const id of await this.redis.hkeys(this.keys(tenant)[0])) {
      const [uploadId] = id.split('/');
      const partId = id.split('/').at(1);
      const isThere =
        partId === undefined
          ? (await this.records.files.find(tenant, id)) !== undefined
          : await this.records.uploads.hasPart(uploadId, partId);
      if (isThere) continue;
      await this.remove(tenant, id);
      forgotten = true;
    }
    return forgotten;
  }

  async remove(tenant: string, fileId: string): Promise<void> {
    await this.redis.eval(REMOVE, 2, ...this.keys(tenant), fileId);
  }

  exceeded(tenant: string): MadakvError {
    const { storedBytes } = this.limits.of(tenant);
    return new MadakvError('rate_limit_exceeded', `Files may take ${storedBytes} bytes in all; delete some first.`, {
      reason: 'storage_quota_exceeded',
      retryAfterMs: RETRY_MS,
    });
  }

  private keys(tenant: string): [string, string] {
    const prefix = `${this.settings.MADAKV_KEY_PREFIX}:stored`;
    return [`${prefix}:${tenant}`, `${prefix}:${tenant}:sum`];
  }
}
