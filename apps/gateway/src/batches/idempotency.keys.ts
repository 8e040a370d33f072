import { MadakvError, newId, type CreateBatch } from '@madakv/contracts';
import { createParamDecorator, Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';

const KEEP_SECONDS = 24 * 3600;
const MAX_KEY = 255;

/** The caller's header, if there is one. The OpenAPI document has it from the route's description. */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<Request>().header('idempotency-key'),
);

/** Which batch a caller's Idempotency-Key stands for. The id is settled before the batch is created. */
@Injectable()
export class IdempotencyKeys {
  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /**
   * @returns the same id for the same key and tenant, for a day
   * @throws MadakvError invalid_request for a key without sense; conflict when it came with another request before
   */
  async batchId(tenant: string, key: string, body: CreateBatch): Promise<string> {
    if (key === '' || key.length > MAX_KEY) {
      throw new MadakvError('invalid_request', `The header Idempotency-Key has 1 to ${MAX_KEY} characters.`);
    }
    const digest = sha256(JSON.stringify(body));
    const name = `${this.settings.MADAKV_KEY_PREFIX}:idempotency:${tenant}:${sha256(key)}`;
    const mine = `${newId('batch')} ${digest}`;
    const before = await this.redis.set(name, mine, 'EX', KEEP_SECONDS, 'NX', 'GET');
    const [id, theirs] = (before ?? mine).split(' ');
    if (theirs === digest) return id;
    throw new MadakvError('conflict', 'The Idempotency-Key was used for another request.');
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
