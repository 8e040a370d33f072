import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { USAGE_FIELDS, type UsageCounts } from './request.settlement.js';

/** What the requests for one model came to that a tenant had accepted on one day. */
export interface UsageOfDay extends UsageCounts {
  /** UTC, counted from 1970. */
  readonly day: number;
  readonly tenant: string;
  readonly model: string;
}

const NAMES = new Map(Object.entries(USAGE_FIELDS).map(([name, field]) => [field as string, name]));
const NOTHING: UsageCounts = {
  requests: 0,
  errors: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  fullBytes: 0,
  keptBytes: 0,
};

/**
 * What was used, by day, tenant and model, for `USAGE_DAYS` days. Requests are counted in the step that writes their outcome. Space
 * is bounded: two hashes a day, of seven numbers a model and a tenant at most.
 */
export class UsageRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /**
   * The days from one to another, both included, in order, with those models for which something ended.
   * @param tenant undefined: of all
   */
  async days(tenant: string | undefined, first: number, last: number): Promise<UsageOfDay[]> {
    const found: UsageOfDay[] = [];
    // One by one: a day of many tenants is a large reply.
    for (let day = first; day <= last; day++) {
      const fields = await this.redis.hgetall(this.keys.usage(tenant ?? '*', day));
      found.push(...usageOf(day, tenant, fields));
    }
    return found;
  }
}

/** Fields are `model/count`; those of all begin with the tenant: neither name has a slash. */
function usageOf(day: number, ofTenant: string | undefined, fields: Readonly<Record<string, string>>): UsageOfDay[] {
  const rows = new Map<string, UsageOfDay>();
  for (const [field, value] of Object.entries(fields)) {
    const parts = field.split('/');
    const name = NAMES.get(parts.at(-1) ?? '');
    if (name === undefined || parts.length !== (ofTenant === undefined ? 3 : 2)) continue;
    const model = parts[parts.length - 2];
    const tenant = ofTenant ?? parts[0];
    const key = `${tenant}/${model}`;
    rows.set(key, { ...(rows.get(key) ?? { day, tenant, model, ...NOTHING }), [name]: Number(value) });
  }
  return [...rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
