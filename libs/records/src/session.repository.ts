import { createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { RecordKeys } from './record.keys.js';

const SessionRecordSchema = z.object({
  tenant: z.string(),
  /** SHA-256 of the API key that opened it; null where none was needed. It ends with the key. */
  keySha256: z.string().nullable(),
  /** Milliseconds since 1970. */
  expiresAtMs: z.int(),
});
export type SessionRecord = z.infer<typeof SessionRecordSchema>;

/** Browsers that are signed in, and links that sign one in. Tokens are 256 random bits and stand here as hashes only. */
export class SessionRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
    /** Milliseconds since 1970. */
    private readonly now: () => number = Date.now,
  ) {}

  /** @returns the token, which is nowhere else */
  async open(of: Omit<SessionRecord, 'expiresAtMs'>, ttlMs: number): Promise<{ token: string; record: SessionRecord }> {
    return this.write(this.keys.session, of, ttlMs);
  }

  async find(token: string): Promise<SessionRecord | undefined> {
    return parse(await this.redis.get(this.keys.session(digest(token))));
  }

  async close(token: string): Promise<void> {
    await this.redis.del(this.keys.session(digest(token)));
  }

  /** A link for whoever has this key: see `redeem`. */
  async link(of: Omit<SessionRecord, 'expiresAtMs'>, ttlMs: number): Promise<{ token: string; record: SessionRecord }> {
    return this.write(this.keys.sessionLink, of, ttlMs);
  }

  /** Whose link it is; the first who asks gets it and nobody afterwards. */
  async redeem(token: string): Promise<SessionRecord | undefined> {
    return parse(await this.redis.getdel(this.keys.sessionLink(digest(token))));
  }

  private async write(
    keyOf: (digest: string) => string,
    of: Omit<SessionRecord, 'expiresAtMs'>,
    ttlMs: number,
  ): Promise<{ token: string; record: SessionRecord }> {
    const token = randomBytes(32).toString('base64url');
    const record: SessionRecord = { ...of, expiresAtMs: this.now() + ttlMs };
    await this.redis.set(keyOf(digest(token)), JSON.stringify(record), 'PX', ttlMs);
    return { token, record };
  }
}

function parse(text: string | null): SessionRecord | undefined {
  return text === null ? undefined : SessionRecordSchema.parse(JSON.parse(text));
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
