import { MadakvError, WebhookRecordSchema, type WebhookRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/**
 * Adds a webhook unless the tenant has as many as it may.
 *   KEYS  the tenant's webhooks
 *   ARGV  id, record, how many there may be
 */
const ADD = new Script(`
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
`);

/**
 * Replaces a webhook that is as it was read.
 *   KEYS  the tenant's webhooks
 *   ARGV  id, record as read, record as it shall be
 */
const REPLACE = new Script(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
`);
const REPLACE_ATTEMPTS = 100;

/** Webhooks of tenants. Their secrets sign, so they stand here as they are: whoever reads Redis can sign. */
export class WebhookRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** @returns false where the tenant has as many as it may */
  async add(record: WebhookRecord, most: number): Promise<boolean> {
    const args = [record.id, JSON.stringify(record), most];
    return (await ADD.run(this.redis, [this.keys.webhooks(record.tenant)], args)) === 1;
  }

  /** @returns undefined where there is none, or it is another tenant's */
  async find(tenant: string, id: string): Promise<WebhookRecord | undefined> {
    const text = await this.redis.hget(this.keys.webhooks(tenant), id);
    return text === null ? undefined : parse(text);
  }

  /** The oldest first. */
  async list(tenant: string): Promise<WebhookRecord[]> {
    const texts = await this.redis.hvals(this.keys.webhooks(tenant));
    return texts.map(parse).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /**
   * Changes a webhook in one step against all others who change it.
   * @param change gets the record as it stands; undefined leaves it. May be called several times
   * @returns the record as it stands afterwards
   * @throws MadakvError not_found
   */
  async update(
    tenant: string,
    id: string,
    change: (record: WebhookRecord) => WebhookRecord | undefined,
  ): Promise<WebhookRecord> {
    const key = this.keys.webhooks(tenant);
    for (let attempt = 0; attempt < REPLACE_ATTEMPTS; attempt++) {
      const text = await this.redis.hget(key, id);
      if (text === null) throw new MadakvError('not_found', `there is no webhook ${id}`, { param: 'id' });
      const found = parse(text);
      const changed = change(found);
      if (changed === undefined) return found;
      if ((await REPLACE.run(this.redis, [key], [id, text, JSON.stringify(changed)])) === 1) return changed;
    }
    throw new MadakvError('storage_unavailable', `webhook ${id} was changed by others ${REPLACE_ATTEMPTS} times`);
  }

  /** @returns whether there was one */
  async delete(tenant: string, id: string): Promise<boolean> {
    return (await this.redis.hdel(this.keys.webhooks(tenant), id)) === 1;
  }
}

function parse(text: string): WebhookRecord {
  return WebhookRecordSchema.parse(JSON.parse(text));
}
