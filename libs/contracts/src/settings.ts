import { z } from 'zod';
import { text } from './environment.js';
import { DEFAULT_KEY_PREFIX } from './jobs/queue.catalogue.js';

/** Settings that several processes share; each spreads the ones it needs into its own schema. */
export const COMMON_SETTINGS = {
  MADAKV_REDIS_URL: text({
    schema: z.url({ protocol: /^rediss?$/ }),
    default: 'redis://127.0.0.1:6379',
    expected: 'a redis:// or rediss:// URL, its password percent-encoded',
    isSecret: true,
    about: 'Redis that holds jobs, records and leases.',
  }),
  MADAKV_KEY_PREFIX: text({
    schema: z.string().regex(/^\{?[A-Za-z0-9:_-]+\}?$/),
    default: DEFAULT_KEY_PREFIX,
    expected: 'letters, digits, or : _ -, in braces for a cluster',
    about: 'Start of every key of jobs and records in Redis.',
  }),
  MADAKV_STORAGE: text({
    schema: z.string().min(1),
    default: './data/files',
    expected: 'a folder, or s3://bucket/prefix',
    about: 'Where files lie: a folder that all processes share, or a bucket (endpoint and keys by the AWS variables).',
  }),
  MADAKV_BUDGET_ADDRESS: text({
    schema: z.string().regex(/^[A-Za-z0-9.-]+:\d+$/),
    default: '127.0.0.1:50051',
    expected: 'host:port',
    about: 'The memory-budget service.',
  }),
  MADAKV_LOG_LEVEL: text({
    schema: z.enum(['fatal', 'error', 'warn', 'log', 'debug']),
    default: 'log',
    expected: 'one of fatal, error, warn, log, debug',
    about: 'The least level that is logged, one JSON object a line.',
  }),
} as const;
