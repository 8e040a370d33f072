import { MadakvError, type UsageQuota, type UsageReport, type UsageRow, type UsageTotals } from '@madakv/contracts';
import { dateOf, dayOf, Records, startOfDay, type UsageOfDay } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import type { Caller } from '../auth/api.keys.js';
import { TenantLimits } from '../limits/tenant.limits.js';
import { ALL_TENANTS, type UsageQuery } from './usage.query.js';

/** Tells a tenant what it used and may still use; an operator of any tenant, or of all. */
@Injectable()
export class UsageService {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
  ) {}

  /** @throws MadakvError not_found where the caller may not see the tenant */
  async report(caller: Caller, { first, last, group_by, tenant }: UsageQuery): Promise<UsageReport> {
    const whose = whoseUsage(caller, tenant);
    const rows = await this.records.usage.days(whose, first, last);
    const [data, quota] = [grouped(rows, group_by), whose === undefined ? null : await this.quota(whose)];
    return {
      object: 'usage',
      start: dateOf(first),
      end: dateOf(last),
      tenant: whose ?? null,
      group_by: [...group_by],
      data,
      total: rows.reduce((sum, row) => plus(sum, row), NOTHING),
      quota,
    };
  }

  private async quota(tenant: string): Promise<UsageQuota> {
    const now = Date.now();
    const { tokensPerDay, queuedTokens } = this.limits.of(tenant);
    const { used, reserved, queued } = await this.records.quota.state(tenant, now);
    return {
      tokens_per_day: {
        limit: tokensPerDay,
        used,
        reserved,
        remaining: left(tokensPerDay, used + reserved),
        resets_at: startOfDay(dayOf(now) + 1) / 1_000,
      },
      queued_tokens: { limit: queuedTokens, reserved: queued, remaining: left(queuedTokens, queued) },
    };
  }
}

/** @returns undefined for all tenants */
function whoseUsage({ tenant: own, operator }: Caller, asked: string | undefined): string | undefined {
  if (asked === undefined || asked === own) return own;
  if (!operator) {
    throw new MadakvError('not_found', `This key sees the usage of its own tenant, ${own}.`, { param: 'tenant' });
  }
  return asked === ALL_TENANTS ? undefined : asked;
}

const NOTHING: UsageTotals = {
  requests: 0,
  errors: 0,
  prompt_tokens: 0,
  cached_tokens: 0,
  completion_tokens: 0,
  total_tokens: 0,
  full_bytes: 0,
  kept_bytes: 0,
};

/** One row for each day and each name that it is grouped by, in order. */
export function grouped(rows: readonly UsageOfDay[], by: UsageQuery['group_by']): UsageRow[] {
  const sums = new Map<string, UsageRow>();
  for (const row of rows) {
    const date = dateOf(row.day);
    const names = Object.fromEntries(by.map((name) => [name, row[name]]));
    const key = [date, ...Object.values(names)].join('/');
    sums.set(key, { date, ...names, ...plus(sums.get(key) ?? NOTHING, row) });
  }
  return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

function plus(sum: UsageTotals, row: UsageOfDay): UsageTotals {
  return {
    requests: sum.requests + row.requests,
    errors: sum.errors + row.errors,
    prompt_tokens: sum.prompt_tokens + row.promptTokens,
    cached_tokens: sum.cached_tokens + row.cachedTokens,
    completion_tokens: sum.completion_tokens + row.completionTokens,
    total_tokens: sum.total_tokens + row.promptTokens + row.completionTokens,
    full_bytes: sum.full_bytes + row.fullBytes,
    kept_bytes: sum.kept_bytes + row.keptBytes,
  };
}

function left(limit: number | null, taken: number): number | null {
  return limit === null ? null : Math.max(0, limit - taken);
}
