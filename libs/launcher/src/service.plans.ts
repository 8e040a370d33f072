import { basename, join } from 'node:path';
import { hashApiKey, type ApiKeyRecord } from '@madakv/contracts';
import { readReference } from '@madakv/hub';
import { LOCAL_TENANT, type DataFolder } from './data.folder.js';
import { servicePath, type ServiceName } from './installation.js';
import { MALLOC_ENVIRONMENT } from './malloc.environment.js';
import type { ProcessPlan } from './supervised.process.js';

const READY_MS = 2_000;
const RESTART_PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000];
const STEADY_MS = 60_000;

/** What all services of a system share. */
export interface ServiceContext {
  readonly folder: DataFolder;
  readonly env: NodeJS.ProcessEnv;
  readonly redisUrl: string;
  readonly budgetPort: number;
  /** Checkpoint folder as an absolute path, or a model of the hub. */
  readonly model: string;
  /** Of each worker's engine, where several share the cores. */
  readonly threads?: number;
}

/** Id of a model: the name of its folder, or of its repository on the hub, as far as an id may hold it. */
export function modelIdOf(model: string): string {
  const id = basename(readReference(model)?.repo ?? model)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return id === '' ? 'model' : id;
}

export function budgetPlan(context: ServiceContext, httpPort: number): ProcessPlan {
  return servicePlan(context, 'budget', 'budget', {
    graceMs: 10_000,
    readyUrl: `http://127.0.0.1:${httpPort}/readyz`,
    variables: {
      MADAKV_BUDGET_HOST: '127.0.0.1',
      MADAKV_BUDGET_PORT: context.budgetPort,
      MADAKV_BUDGET_HTTP_PORT: httpPort,
    },
  });
}

export interface GatewayPlace {
  readonly host: string;
  readonly port: number;
  readonly healthPort: number;
  readonly apiKey: string;
}

export function gatewayPlan(context: ServiceContext, { host, port, healthPort, apiKey }: GatewayPlace): ProcessPlan {
  const keyFile = context.folder.keyFilePath();
  // Whoever starts a system on their machine may see all of it.
  const record: ApiKeyRecord = { tenant: LOCAL_TENANT, sha256: hashApiKey(apiKey), operator: true };
  context.folder.writePrivate(keyFile, `${JSON.stringify([record])}\n`);
  return servicePlan(context, 'gateway', 'gateway', {
    graceMs: patience(context, 'MADAKV_GATEWAY_GRACE_MS', 30_000),
    readyUrl: `http://${urlHost(host)}:${healthPort}/readyz`,
    variables: {
      MADAKV_GATEWAY_HOST: host,
      MADAKV_GATEWAY_PORT: port,
      MADAKV_GATEWAY_HEALTH_PORT: healthPort,
      MADAKV_API_KEYS_FILE: keyFile,
    },
  });
}

/** @param number counted from 1 */
export function workerPlan(context: ServiceContext, number: number, healthPort: number): ProcessPlan {
  const plan = servicePlan(context, 'worker', `worker-${number}`, {
    graceMs: patience(context, 'MADAKV_GRACE_MS', 25_000),
    readyUrl: `http://127.0.0.1:${healthPort}/readyz`,
    variables: {
      MADAKV_WORKER_ROLES: 'batch,prepare,generate',
      // One name for several would mix up whose leases and jobs are whose.
      MADAKV_WORKER_ID: '',
      MADAKV_WORKER_HEALTH_HOST: '127.0.0.1',
      MADAKV_WORKER_HEALTH_PORT: healthPort,
      MADAKV_MODEL: context.model,
      MADAKV_MODEL_ID: modelIdOf(context.model),
      ...(context.threads === undefined ? {} : { MADAKV_THREADS: context.threads }),
    },
  });
  return { ...plan, env: { ...MALLOC_ENVIRONMENT, ...plan.env } };
}

/** What a service takes to end after the time that it is given: the engine's last step, closing. In milliseconds. */
const ENDING_MS = 35_000;

/** How long a service is waited for that ends what is under way: longer than its own setting, which the environment may name. */
function patience({ env }: ServiceContext, setting: string, defaultMs: number): number {
  const named = Number(env[setting] ?? '');
  return ENDING_MS + (Number.isSafeInteger(named) && named > 0 ? named : defaultMs);
}

/** An address as a URL writes it; where a service listens on all, this machine is one of them. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

interface ServiceDetails {
  readonly graceMs: number;
  readonly readyUrl: string;
  readonly variables: Readonly<Record<string, string | number>>;
}

function servicePlan(
  context: ServiceContext,
  service: ServiceName,
  name: string,
  details: ServiceDetails,
): ProcessPlan {
  const { folder, env, redisUrl, budgetPort } = context;
  const variables: Readonly<Record<string, string | number>> = {
    MADAKV_REDIS_URL: redisUrl,
    MADAKV_STORAGE: folder.filesPath(),
    MADAKV_BUDGET_ADDRESS: `127.0.0.1:${budgetPort}`,
    ...details.variables,
  };
  const texts = Object.fromEntries(Object.entries(variables).map(([key, value]) => [key, String(value)]));
  return {
    name,
    command: process.execPath,
    args: [servicePath(service)],
    env: { ...env, ...texts },
    logPath: join(folder.logsPath(), `${name}.log`),
    isReady: async () => (await fetch(details.readyUrl, { signal: AbortSignal.timeout(READY_MS) })).ok,
    graceMs: details.graceMs,
    restartPausesMs: RESTART_PAUSES_MS,
    steadyMs: STEADY_MS,
  };
}
