import { MadakvError, WebhookDeliveryRecordSchema, type WebhookDeliveryRecord } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import { RecordList, type PageQuery, type RecordPage } from './record.list.js';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/** How long a delivery is known after it began or was last changed, in seconds: much longer than it is tried. */
const KEEP_SECONDS = 30 * 24 * 3600;
/** Deliveries of a webhook that are listed, the latest. */
const LISTED = 1_000;

/**
 * Writes a new delivery and lists it, or does nothing where it is.
 *   KEYS  record, the webhook's list, the list's counter
 *   ARGV  id, record, seconds to keep it, length of the list
 */
const CREATE = new Script(`
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'EX', ARGV[3]) == false then return 0 end
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[4]))
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
`);

/**
 * Replaces a delivery that is as it was read. That a new round of attempts is to be started stands from this step on, whoever dies.
 *   KEYS  record, the set of those to start
 *   ARGV  id, record as read, record as it shall be, seconds to keep it, 1 when a round begins with this
 */
const REPLACE = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
if ARGV[5] == '1' then redis.call('SADD', KEYS[2], ARGV[1]) end
return 1
`);
const REPLACE_ATTEMPTS = 100;

/** Events on their way to webhooks, and how they fared, for 30 days. */
export class WebhookDeliveries {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** Creating it again does nothing. */
  async create(record: WebhookDeliveryRecord): Promise<void> {
    const { id, webhook_id } = record.object;
    const { key, counterKey } = this.listOf(webhook_id);
    const keys = [this.keys.webhookDelivery(id), key, counterKey];
    await CREATE.run(this.redis, keys, [id, JSON.stringify(record), KEEP_SECONDS, LISTED]);
  }

  /** For workers, who act for any tenant. */
  async get(id: string): Promise<WebhookDeliveryRecord | undefined> {
    const text = await this.redis.get(this.keys.webhookDelivery(id));
    return text === null ? undefined : parse(text);
  }

  /** @returns undefined where there is none, or it is another webhook's or tenant's */
  async find(tenant: string, webhookId: string, id: string): Promise<WebhookDeliveryRecord | undefined> {
    const record = await this.get(id);
    return record?.tenant === tenant && record.object.webhook_id === webhookId ? record : undefined;
  }

  /** Newest first. */
  async list(webhookId: string, query: PageQuery): Promise<RecordPage<WebhookDeliveryRecord>> {
    return this.listOf(webhookId).page(query, async (ids) => {
      const texts = await this.redis.mget(ids.map(this.keys.webhookDelivery));
      return texts.filter((text) => text !== null).map(parse);
    });
  }

  /**
   * Changes a delivery in one step against all others who change it. One that gets another round is unstarted until `started`.
   * @param change gets the record as it stands; undefined leaves it. May be called several times
   * @returns the record as it stands afterwards; undefined where there is none any more
   */
  async update(
    id: string,
    change: (record: WebhookDeliveryRecord) => WebhookDeliveryRecord | undefined,
  ): Promise<WebhookDeliveryRecord | undefined> {
    const key = this.keys.webhookDelivery(id);
    const keys = [key, this.keys.unstartedDeliveries()];
    for (let attempt = 0; attempt < REPLACE_ATTEMPTS; attempt++) {
      const text = await this.redis.get(key);
      if (text === null) return undefined;
      const found = parse(text);
      const changed = change(found);
      if (changed === undefined) return found;
      const args = [id, text, JSON.stringify(changed), KEEP_SECONDS, changed.round > found.round ? 1 : 0];
      if ((await REPLACE.run(this.redis, keys, args)) === 1) return changed;
    }
    throw new MadakvError('storage_unavailable', `delivery ${id} was changed by others ${REPLACE_ATTEMPTS} times`);
  }

  /** Ids of deliveries whose attempts are to begin anew: all, or that many of them at random. */
  async unstarted(most: number): Promise<string[]> {
    return this.redis.srandmember(this.keys.unstartedDeliveries(), most);
  }

  /** Their attempts are under way. */
  async started(id: string): Promise<void> {
    await this.redis.srem(this.keys.unstartedDeliveries(), id);
  }

  /** Forgets the list of a webhook that is no more; its deliveries go by themselves. */
  async forget(webhookId: string): Promise<void> {
    const { key, counterKey } = this.listOf(webhookId);
    await this.redis.del(key, counterKey);
  }

  private listOf(webhookId: string): RecordList {
    return new RecordList(this.redis, this.keys.webhookDeliveries(webhookId));
  }
}

function parse(text: string): WebhookDeliveryRecord {
  return WebhookDeliveryRecordSchema.parse(JSON.parse(text));
}
