import { hostname } from 'node:os';
import {
  COMMON_SETTINGS,
  MAX_GROUP,
  milliseconds,
  ModelIdSchema,
  QUEUE_KINDS,
  text,
  wholeNumber,
  type QueueKind,
} from '@madakv/contracts';
import type { HalfOrFull } from '@madakv/engine';
import { modelName, modelSource } from '@madakv/hub';
import type { Precision } from '@madakv/models';
import { z } from 'zod';
import { BATCH_SETTINGS } from './batch/index.js';
import type { EngineSettings } from './engine/engine.host.js';
import { PREPARE_SETTINGS } from './prepare/index.js';
import { WEBHOOK_SETTINGS } from './webhook/index.js';

const GIB = 1024 ** 3;
/** Lines of batches in groups that a worker answers at a time: one group is read while another is answered. */
export const GROUPED_REQUESTS = 2 * MAX_GROUP;
/** Ids as the memory-budget service takes them. */
const ID = z.string().regex(/^[A-Za-z0-9._:-]{1,96}$/);
const ROLES = z.string().regex(new RegExp(`^(${QUEUE_KINDS.join('|')})(,(${QUEUE_KINDS.join('|')}))*$`));
const SWITCH = { schema: z.enum(['true', 'false']), default: 'false', expected: 'true or false' } as const;

/** The worker's environment. */
export const WorkerSettingsSchema = z
  .object({
    ...COMMON_SETTINGS,
    MADAKV_ALLOW_VOLATILE_REDIS: text({
      ...SWITCH,
      about: 'Whether to start on a Redis that may lose accepted jobs (no append-only file, or an eviction policy).',
    }),
    MADAKV_WORKER_ROLES: text({
      schema: ROLES,
      default: QUEUE_KINDS.join(','),
      expected: `a list of ${QUEUE_KINDS.join(', ')}, separated by commas`,
      about: 'Which jobs this process takes.',
    }),
    MADAKV_WORKER_ID: text({
      schema: ID,
      default: '',
      expected: '1 to 96 letters, digits, or . _ : -',
      about: 'Name of this process in traces and lists. Empty: host name and process id.',
    }),
    MADAKV_MODEL: text({
      schema: z.string().min(1),
      default: '',
      expected: 'the folder of a checkpoint in Hugging Face layout, or org/name[@revision] of the hub',
      about: 'The model; needed for the roles prepare and generate. One of the hub is pulled where the cache lacks it.',
    }),
    MADAKV_MODEL_ID: text({
      schema: ModelIdSchema,
      default: '',
      expected: '1 to 64 letters, digits, or . _ -',
      about: 'Name of the model in requests and queues. Empty: the name of its folder or repository.',
    }),
    MADAKV_PROVIDER: text({
      schema: z.enum(['cpu', 'webgpu', 'cuda']),
      default: 'cpu',
      expected: 'cpu, webgpu or cuda',
      about: 'What the model runs on.',
    }),
    MADAKV_QUANT: text({
      schema: z.enum(['none', '8', '4', 'w8a8']),
      default: 'none',
      expected: 'none, 8, 4 or w8a8',
      about: "Bits of the language model's weights; w8a8 rounds activations to 8 bits as well.",
    }),
    MADAKV_QUANT_BLOCK: text({
      schema: z.enum(['16', '32', '64', '128', '256']),
      default: '64',
      expected: '16, 32, 64, 128 or 256',
      about: 'Weights that share a scale, with MADAKV_QUANT 8 or 4.',
    }),
    MADAKV_PRECISION: text({
      schema: z.enum(['', 'fp16', 'fp32']),
      default: '',
      expected: 'fp16 or fp32',
      about:
        'Of weights and cache where nothing else says otherwise; fp16 is for the webgpu provider. Empty: fp16 where its device has it.',
    }),
    MADAKV_KV_CACHE: text({
      schema: z.enum(['fp32', 'int8']),
      default: 'fp32',
      expected: 'fp32 or int8',
      about: 'How kept rows of the cache are stored; int8 is for the cpu provider.',
    }),
    MADAKV_THREADS: wholeNumber({
      min: 0,
      max: 1_024,
      default: 0,
      about: 'Threads of the cpu provider; 0 takes all cores.',
    }),
    MADAKV_CACHE: text({
      schema: z.string().min(1),
      default: '',
      expected: 'a folder',
      about: 'Where built models are kept. Empty: ~/.cache/madakv.',
    }),
    MADAKV_CONCURRENCY: wholeNumber({
      min: 1,
      max: 256,
      default: 8,
      about: 'Requests that are generated at a time; those of a batch that are read together count as one.',
    }),
    MADAKV_GROUP: wholeNumber({
      min: 1,
      max: MAX_GROUP,
      default: MAX_GROUP,
      about: 'Requests about one document that are read together at most; 1 for each by itself.',
    }),
    MADAKV_PREPARE_CONCURRENCY: wholeNumber({
      min: 1,
      max: 64,
      default: 2,
      about: 'Requests that are prepared at a time.',
    }),
    MADAKV_IMAGE_CACHE_BYTES: wholeNumber({
      min: 0,
      max: 64 * GIB,
      default: 32 * 1024 ** 2,
      about: 'Memory for encoded pages and prepared requests that may be read again, in bytes.',
    }),
    MADAKV_FEATURE_CACHE_BYTES: text({
      schema: z.string().regex(/^\d{1,11}$/),
      default: '',
      expected: 'a whole number from 0 to 99999999999',
      about:
        'Memory for visual features of pages that may be asked about again, in bytes. Empty: four times the weights, from 64 to 256 MiB.',
    }),
    MADAKV_RESIDENT_BYTES: text({
      schema: z.string().regex(/^\d{1,11}$/),
      default: '',
      expected: 'a whole number from 0 to 99999999999',
      about:
        'Memory for documents that were read and may be asked about again, in bytes; 0 keeps none. Empty: 256 MiB, none with webgpu.',
    }),
    MADAKV_RESIDENT_WAIT_MS: milliseconds({
      min: 0,
      default: 500,
      about: 'How long a request is left to another worker that holds its document, before any reads it anew.',
    }),
    MADAKV_DEVICE_ID: text({
      schema: ID,
      default: '',
      expected: '1 to 96 letters, digits, or . _ : -',
      about:
        'Name of the device in the memory-budget service; workers with the same share it. Empty: host name and provider.',
    }),
    MADAKV_DEVICE_CAPACITY_BYTES: wholeNumber({
      min: 1,
      max: 2 ** 46,
      default: 2 * GIB,
      about: 'Key-value cache that the device can hold beside weights and activations, in bytes.',
    }),
    MADAKV_LOCK_MS: milliseconds({
      min: 500,
      default: 30_000,
      about: "A job whose worker has not renewed its lock for this long is another worker's.",
    }),
    MADAKV_STALLED_MS: milliseconds({
      min: 100,
      default: 15_000,
      about: 'Between two looks for jobs whose lock has ended.',
    }),
    MADAKV_GRACE_MS: milliseconds({
      min: 0,
      default: 25_000,
      about: 'After SIGTERM, how long running requests may finish before they are handed back.',
    }),
    MADAKV_WORKER_HEALTH_HOST: text({
      schema: z.string().regex(/^[A-Za-z0-9.:-]+$/),
      default: '127.0.0.1',
      expected: 'a host name or address',
      about: 'Address of the health port.',
    }),
    MADAKV_WORKER_HEALTH_PORT: wholeNumber({
      min: 1,
      max: 65_535,
      default: 8_082,
      about: 'Port of `/livez` and `/readyz`.',
    }),
    ...PREPARE_SETTINGS,
    ...BATCH_SETTINGS,
    ...WEBHOOK_SETTINGS,
  })
  .refine(({ MADAKV_MODEL, MADAKV_WORKER_ROLES }) => MADAKV_MODEL !== '' || MADAKV_WORKER_ROLES === 'batch', {
    error: 'the folder of a checkpoint or org/name[@revision] of the hub, for the roles prepare and generate',
    path: ['MADAKV_MODEL'],
  })
  .refine((settings) => settings.MADAKV_MODEL === '' || ModelIdSchema.safeParse(modelIdOf(settings)).success, {
    error: 'a name for this model: 1 to 64 letters, digits, or . _ -',
    path: ['MADAKV_MODEL_ID'],
  })
  .refine(({ MADAKV_KV_CACHE, MADAKV_PROVIDER }) => MADAKV_KV_CACHE === 'fp32' || MADAKV_PROVIDER === 'cpu', {
    error: 'fp32, as int8 is for the cpu provider',
    path: ['MADAKV_KV_CACHE'],
  })
  .refine(({ MADAKV_PRECISION, MADAKV_PROVIDER }) => MADAKV_PRECISION !== 'fp16' || MADAKV_PROVIDER === 'webgpu', {
    error: 'fp32, as fp16 is for the webgpu provider',
    path: ['MADAKV_PRECISION'],
  })
  .refine((settings) => settings.MADAKV_PROVIDER !== 'webgpu' || Number(settings.MADAKV_RESIDENT_BYTES) === 0, {
    error: '0, as documents are not kept in the memory of a GPU',
    path: ['MADAKV_RESIDENT_BYTES'],
  });

export type WorkerSettings = z.output<typeof WorkerSettingsSchema>;

export function rolesOf({ MADAKV_WORKER_ROLES }: WorkerSettings): ReadonlySet<QueueKind> {
  const named = MADAKV_WORKER_ROLES.split(',');
  return new Set(QUEUE_KINDS.filter((kind) => named.includes(kind)));
}

export function workerIdOf({ MADAKV_WORKER_ID }: WorkerSettings): string {
  return MADAKV_WORKER_ID === '' ? `${hostId()}:${process.pid}` : MADAKV_WORKER_ID;
}

interface NamedModel {
  readonly MADAKV_MODEL: string;
  readonly MADAKV_MODEL_ID: string;
}

export function modelIdOf({ MADAKV_MODEL, MADAKV_MODEL_ID }: NamedModel): string {
  return MADAKV_MODEL_ID === '' ? modelName(modelSource(MADAKV_MODEL, process.cwd())) : MADAKV_MODEL_ID;
}

export function deviceIdOf({ MADAKV_DEVICE_ID, MADAKV_PROVIDER }: WorkerSettings): string {
  return MADAKV_DEVICE_ID === '' ? `${hostId()}:${MADAKV_PROVIDER}` : MADAKV_DEVICE_ID;
}

export function engineSettingsOf(settings: WorkerSettings): EngineSettings {
  return {
    modelDir: settings.MADAKV_MODEL,
    provider: settings.MADAKV_PROVIDER as EngineSettings['provider'],
    threads: settings.MADAKV_THREADS,
    weights: weightsOf(settings),
    ...(settings.MADAKV_PRECISION === '' ? {} : { precision: settings.MADAKV_PRECISION as HalfOrFull }),
    kvCache: settings.MADAKV_KV_CACHE as EngineSettings['kvCache'],
    maxSequences: settings.MADAKV_CONCURRENCY + GROUPED_REQUESTS,
    maxGroup: settings.MADAKV_GROUP,
    ...(settings.MADAKV_CACHE === '' ? {} : { cacheDir: settings.MADAKV_CACHE }),
    ...(settings.MADAKV_FEATURE_CACHE_BYTES === ''
      ? {}
      : { featureCacheBytes: Number(settings.MADAKV_FEATURE_CACHE_BYTES) }),
    ...(settings.MADAKV_RESIDENT_BYTES === '' ? {} : { residentBytes: Number(settings.MADAKV_RESIDENT_BYTES) }),
  };
}

function weightsOf({ MADAKV_QUANT, MADAKV_QUANT_BLOCK }: WorkerSettings): Precision {
  if (MADAKV_QUANT === 'none') return { kind: 'fp32' };
  if (MADAKV_QUANT === 'w8a8') return { kind: 'w8a8' };
  return { kind: 'int', bits: MADAKV_QUANT === '8' ? 8 : 4, blockSize: Number(MADAKV_QUANT_BLOCK) };
}

/** The host's name, of the characters that ids may have. */
function hostId(): string {
  return hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 60);
}
