import { Inject, Injectable } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';

/** A lease that is not renewed for this long is free: its gateway died. In milliseconds. */
const LEASE_MS = 30_000;
const RENEW_MS = LEASE_MS / 3;
/** Whoever waits for the lease of another looks this often, in milliseconds. */
const POLL_MS = 200;

/** KEYS: lease. ARGV: its holder, milliseconds that it lasts. Returns 1 while it is the holder's. */
const RENEW = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;
/** KEYS, ARGV as above. */
const RELEASE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`;

/**
 * Who makes the file of an upload: one over all gateways, as each who did would copy all of it. It saves work, and is no
 * lock: two who hold one, the first stalled for longer than it lasts, make the same file.
 */
@Injectable()
export class UploadLease {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /** @returns what came of the work, or undefined where somebody else is at it */
  async run<T>(uploadId: string, work: () => Promise<T>): Promise<T | undefined> {
    const key = this.key(uploadId);
    const holder = randomUUID();
    if ((await this.redis.set(key, holder, 'PX', LEASE_MS, 'NX')) === null) return undefined;
    const renewal = setInterval(() => {
      void this.redis.eval(RENEW, 1, key, holder, LEASE_MS).catch(() => undefined);
    }, RENEW_MS);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      await this.redis.eval(RELEASE, 1, key, holder).catch(() => undefined);
    }
  }

  /** Resolves when nobody is at it any more. */
  async freed(uploadId: string): Promise<void> {
    while ((await this.redis.exists(this.key(uploadId))) === 1) await pause(POLL_MS);
  }

  private key(uploadId: string): string {
    return `${this.settings.MADAKV_KEY_PREFIX}:upload-lease:${uploadId}`;
  }
}
