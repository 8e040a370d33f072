import { TenantSchema, TokenLimitsSchema } from '@madakv/contracts';
import { z } from 'zod';

const count = z.int().min(0);

/** What one tenant may use. */
export const LimitsSchema = z.strictObject({
  /** Requests to the API, of any kind. */
  requestsPerMinute: z.int().min(1),
  /** Chat completions that are under way. */
  concurrentChats: count,
  /** Lines of batches that have not ended. */
  queuedBatchLines: count,
  /** Bytes of uploaded files. */
  storedBytes: count,
  ...TokenLimitsSchema.shape,
});
export type Limits = z.infer<typeof LimitsSchema>;

export const DEFAULT_LIMITS: Limits = {
  requestsPerMinute: 600,
  concurrentChats: 32,
  queuedBatchLines: 200_000,
  storedBytes: 20 * 1024 ** 3,
  tokensPerDay: null,
  queuedTokens: null,
};

export const TenantLimitsSchema = z.record(TenantSchema, LimitsSchema.partial());

export class TenantLimits {
  private readonly common: Limits;

  constructor(
    common: Partial<Limits>,
    private readonly tenants: Readonly<Record<string, Partial<Limits>>>,
  ) {
    this.common = { ...DEFAULT_LIMITS, ...common };
  }

  of(tenant: string): Limits {
    return { ...this.common, ...(Object.hasOwn(this.tenants, tenant) ? this.tenants[tenant] : {}) };
  }
}
