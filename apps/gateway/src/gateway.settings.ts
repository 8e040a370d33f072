import { COMMON_SETTINGS, json, MAX_UPLOAD_BYTES, milliseconds, text, wholeNumber } from '@madakv/contracts';
import { z } from 'zod';
import { DEFAULT_LIMITS, LimitsSchema, TenantLimitsSchema } from './limits/tenant.limits.js';

const SWITCH = { schema: z.enum(['true', 'false']), default: 'false', expected: 'true or false' } as const;

/** The gateway's environment. docs/api.md has the table that is generated from it. */
export const GatewaySettingsSchema = z.object({
  MADAKV_REDIS_URL: COMMON_SETTINGS.MADAKV_REDIS_URL,
  MADAKV_KEY_PREFIX: COMMON_SETTINGS.MADAKV_KEY_PREFIX,
  MADAKV_STORAGE: COMMON_SETTINGS.MADAKV_STORAGE,
  MADAKV_LOG_LEVEL: COMMON_SETTINGS.MADAKV_LOG_LEVEL,
  MADAKV_GATEWAY_HOST: text({
    schema: z.string().regex(/^[A-Za-z0-9.:-]+$/),
    default: '127.0.0.1',
    expected: 'a host name or address',
    about: 'Address that the API and the health port listen on. TLS is for what stands in front.',
  }),
  MADAKV_GATEWAY_PORT: wholeNumber({ min: 1, max: 65_535, default: 8080, about: 'Port of the API.' }),
  MADAKV_GATEWAY_HEALTH_PORT: wholeNumber({
    min: 1,
    max: 65_535,
    default: 8081,
    about: 'Port of `/livez` and `/readyz`; keep it inside.',
  }),
  // What stands here is a secret: it is parsed apart, where no error repeats it.
  MADAKV_API_KEYS: text({
    schema: z.string(),
    default: '',
    expected: 'a JSON array like that of the file, or `tenant:key` pairs separated by commas',
    about: 'API keys, beside those of the file.',
  }),
  MADAKV_API_KEYS_FILE: text({
    schema: z.string(),
    default: '',
    expected: 'the path of a JSON file: `[{"tenant", "sha256", "name"?}]`',
    about: 'API keys, each as the SHA-256 of the key. Read at start.',
  }),
  MADAKV_ALLOW_ANONYMOUS: text({
    ...SWITCH,
    about: 'Whether requests without a key are served, for the tenant `default`. Without it, no keys means no start.',
  }),
  MADAKV_ALLOW_VOLATILE_REDIS: text({
    ...SWITCH,
    about: 'Whether to start on a Redis that may lose accepted jobs (no append-only file, or an eviction policy).',
  }),
  MADAKV_GATEWAY_REQUEST_TIMEOUT_MS: milliseconds({
    min: 1_000,
    // The official clients give up after 600 seconds; a little less, and they hear why.
    default: 590_000,
    about: 'A chat completion without an answer after this is cancelled, and answered with 504.',
  }),
  MADAKV_GATEWAY_STALL_MS: milliseconds({
    min: 50,
    default: 60_000,
    about: 'A caller who stops in the middle of a body gets 408 after this; one who stops reading is disconnected.',
  }),
  MADAKV_GATEWAY_BODY_MS: milliseconds({
    min: 50,
    default: 1_800_000,
    about: 'A body that is not there after this is given up on, with 408, however it moves.',
  }),
  MADAKV_GATEWAY_INTERIM_MS: milliseconds({
    min: 50,
    default: 120_000,
    about:
      'How often a plain answer sends `102 Processing` to the fetch of Node, which gives up after 300 seconds without.',
  }),
  MADAKV_GATEWAY_BATCH_EXPIRY_MS: milliseconds({
    min: 1_000,
    default: 86_400_000,
    about: 'A batch that has not ended after this expires, with the answers that it has.',
  }),
  MADAKV_GATEWAY_HEARTBEAT_MS: milliseconds({
    min: 50,
    default: 15_000,
    about: 'A stream that has nothing to say for this long sends a comment, so that nobody on the way hangs up.',
  }),
  MADAKV_GATEWAY_GRACE_MS: milliseconds({
    min: 0,
    default: 30_000,
    about: 'What is under way at the end of the process may go on for this long.',
  }),
  MADAKV_GATEWAY_MAX_BODY_BYTES: wholeNumber({
    min: 1_024,
    max: 512 * 1024 ** 2,
    default: 64 * 1024 ** 2,
    about: 'Largest body of a chat completion, after decompression. Larger documents go through `/v1/files`.',
  }),
  MADAKV_GATEWAY_MAX_UPLOAD_BYTES: wholeNumber({
    min: 1_024,
    max: MAX_UPLOAD_BYTES,
    default: MAX_UPLOAD_BYTES,
    about: 'Largest input of a batch that comes in parts, by `/v1/uploads`.',
  }),
  MADAKV_GATEWAY_UPLOAD_EXPIRY_MS: milliseconds({
    min: 1_000,
    default: 3_600_000,
    about: 'An upload in parts that is not completed after this expires, and its parts are deleted.',
  }),
  MADAKV_GATEWAY_CORS_ORIGINS: json({
    schema: z.array(z.union([z.literal('*'), z.url()])),
    default: [] as string[],
    expected: 'a JSON array of origins, or of "*"',
    about: 'Web pages of these origins may call the API. None by default.',
  }),
  MADAKV_GATEWAY_LIMITS: json({
    schema: LimitsSchema.partial(),
    default: DEFAULT_LIMITS,
    expected: 'a JSON object of whole numbers, with the keys of the default',
    about: 'Limits of every tenant. A key that is left out keeps its default; null, for tokens, is no limit.',
  }),
  MADAKV_GATEWAY_TENANT_LIMITS: json({
    schema: TenantLimitsSchema,
    default: {},
    expected: 'a JSON object of tenant to such an object',
    about: 'Limits of single tenants, in place of those of every tenant.',
  }),
});

export type GatewaySettings = z.output<typeof GatewaySettingsSchema>;
