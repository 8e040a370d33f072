import { json, milliseconds, text, wholeNumber } from '@madakv/contracts';
import { z } from 'zod';

/** The service's environment. docs/budget.md has the table that is generated from it. */
export const BudgetSettingsSchema = z.object({
  MADAKV_REDIS_URL: text({
    schema: z.url({ protocol: /^rediss?$/ }),
    default: 'redis://127.0.0.1:6379',
    expected: 'a redis:// or rediss:// URL, its password percent-encoded',
    isSecret: true,
    about: 'Redis that holds all state.',
  }),
  MADAKV_BUDGET_KEY_PREFIX: text({
    schema: z.string().regex(/^[A-Za-z0-9:_-]+$/),
    default: 'madakv:budget',
    expected: 'letters, digits, or : _ -',
    about: 'Start of every key in Redis.',
  }),
  MADAKV_BUDGET_HOST: text({
    schema: z.string().regex(/^[A-Za-z0-9.:-]+$/),
    default: '127.0.0.1',
    expected: 'a host name or address',
    about: 'Address that gRPC and HTTP listen on. Callers are not authenticated: keep it inside.',
  }),
  MADAKV_BUDGET_PORT: wholeNumber({ min: 1, max: 65_535, default: 50_051, about: 'Port of gRPC.' }),
  MADAKV_BUDGET_HTTP_PORT: wholeNumber({
    min: 1,
    max: 65_535,
    default: 50_052,
    about: 'Port of `/livez`, `/readyz` and `/demand`.',
  }),
  MADAKV_BUDGET_LEASE_TTL_MS: milliseconds({
    min: 50,
    default: 30_000,
    about: 'A lease that is not renewed for this long ends; its bytes return.',
  }),
  MADAKV_BUDGET_DEVICE_TTL_MS: milliseconds({
    min: 50,
    default: 30_000,
    about: 'A device that is not announced for this long gets no new leases.',
  }),
  MADAKV_BUDGET_FORGET_MS: milliseconds({
    min: 0,
    default: 600_000,
    about: 'A device that is gone for this long beyond its time to live no longer counts for what could ever be held.',
  }),
  MADAKV_BUDGET_SWEEP_MS: milliseconds({
    min: 10,
    default: 5_000,
    about: 'Between two sweeps for expired leases on devices that nobody asks for.',
  }),
  MADAKV_BUDGET_RETRY_MS: milliseconds({
    min: 1,
    default: 100,
    about: 'When the next in line is told to ask again; the n-th is told n times this.',
  }),
  MADAKV_BUDGET_MAX_RETRY_MS: milliseconds({
    min: 1,
    default: 1_000,
    about: 'The longest that anyone is told to wait.',
  }),
  MADAKV_BUDGET_WAIT_GRACE_MS: milliseconds({
    min: 1,
    default: 5_000,
    about: 'A waiting job that is this late in asking again loses its place.',
  }),
  MADAKV_BUDGET_OVERTAKE_MS: milliseconds({
    min: 0,
    default: 5_000,
    about: 'How long later requests may overtake one that waits; after that, room is kept for it.',
  }),
  MADAKV_BUDGET_TENANT_SHARES: json({
    schema: z.record(z.string().min(1), z.number().min(0).max(1)),
    default: { '*': 1 },
    expected: 'a JSON object of tenant to a share from 0 to 1, "*" for all others',
    about: 'What a tenant may hold of a device while others wait.',
  }),
  MADAKV_BUDGET_DEMAND_TTL_MS: milliseconds({
    min: 1,
    default: 86_400_000,
    about: 'Queued demand that was neither granted nor withdrawn is forgotten after this.',
  }),
  // A secret: whatever stands here is taken, as an error would repeat it.
  MADAKV_BUDGET_DEMAND_TOKEN: text({
    schema: z.string(),
    default: '',
    expected: 'a text',
    about: 'What whoever asks for `/demand` has to show, as a bearer token. Empty: nothing.',
  }),
  MADAKV_LOG_LEVEL: text({
    schema: z.enum(['fatal', 'error', 'warn', 'log', 'debug']),
    default: 'log',
    expected: 'one of fatal, error, warn, log, debug',
    about: 'The least level that is logged, one JSON object a line.',
  }),
});

export type BudgetSettings = z.output<typeof BudgetSettingsSchema>;
