import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BudgetClient } from '@madakv/budget-client';
import { newApiKey } from '@madakv/contracts';
import { freePort, startRedis, type RedisServer } from '@madakv/testing';
import OpenAI from 'openai';
import { roomyCheckpoint } from '../integration/checkpoint.fixture.js';
import { ROOT, ServiceProcess, type Environment } from './service.process.js';

export const MODEL = 'tiny';
export const DEMO = `${ROOT}examples/demo`;
export const TENANTS = ['acme', 'globex'] as const;
export type Tenant = (typeof TENANTS)[number];

/** Tests look often, and see what is done by the clock within a second. */
const FOR_TESTS: Environment = {
  MADAKV_GATEWAY_LIMITS: '{"requestsPerMinute": 1000000}',
  MADAKV_SWEEP_INTERVAL_MS: '1000',
};

export interface SystemOptions {
  /** Worker processes; 1 by default. */
  readonly workers?: number;
  /** Roles of each of them, `batch,prepare,generate` by default. */
  readonly roles?: string;
  /** Of all services, above the defaults here. */
  readonly environment?: Environment;
  /** Of the gateway or the budget service alone, above all others. */
  readonly own?: Readonly<Partial<Record<'gateway' | 'budget', Environment>>>;
  /** Folder of what the workers serve; by default one whose answers never end by themselves. */
  readonly checkpoint?: string;
  /** Whose key sees the whole system; nobody's by default. */
  readonly operators?: readonly Tenant[];
}

/** Redis, budget service, gateway and workers, each a process; nothing else is shared than Redis and the storage folder. */
export class TestSystem {
  readonly workers: ServiceProcess[] = [];
  private readonly others: ServiceProcess[] = [];
  private workerCount = 0;

  private constructor(
    /** Where the gateway answers, without `/v1`. */
    readonly url: string,
    readonly apiKeys: Readonly<Record<Tenant, string>>,
    readonly redis: RedisServer,
    /** Folder with all that is the test's own. */
    readonly folder: string,
    /** Folder of the checkpoint that the workers serve. A request may be as long as a test likes. */
    readonly checkpoint: string,
    /** Folder of the file store. */
    readonly storage: string,
    readonly gateway: ServiceProcess,
    readonly budget: ServiceProcess,
    /** Comes back by itself after a restart of the service. */
    readonly budgetClient: BudgetClient,
    private readonly workerEnvironment: Environment,
  ) {}

  /** Resolves when all of it is ready. */
  static async start({
    workers = 1,
    roles = 'batch,prepare,generate',
    environment = {},
    own = {},
    checkpoint: given,
    operators = [],
  }: SystemOptions = {}): Promise<TestSystem> {
    const folder = mkdtempSync(join(tmpdir(), 'madakv-e2e-'));
    const checkpoint = given ?? roomyCheckpoint(folder);
    const storage = join(folder, 'files');
    const redis = await startRedis({ appendOnly: true });
    const [gatewayPort, gatewayHealth, budgetPort, budgetHttp] = await Promise.all(Array.from({ length: 4 }, freePort));
    const keys = TENANTS.map((tenant) => newApiKey(tenant, undefined, { operator: operators.includes(tenant) }));
    const common: Environment = {
      HOME: folder,
      MADAKV_REDIS_URL: redis.url,
      MADAKV_STORAGE: storage,
      MADAKV_BUDGET_ADDRESS: `127.0.0.1:${budgetPort}`,
      ...FOR_TESTS,
    };
    const gateway = new ServiceProcess(
      'gateway',
      {
        ...common,
        MADAKV_GATEWAY_PORT: String(gatewayPort),
        MADAKV_GATEWAY_HEALTH_PORT: String(gatewayHealth),
        MADAKV_API_KEYS: JSON.stringify(keys.map(({ record }) => record)),
        ...environment,
        ...own.gateway,
      },
      `http://127.0.0.1:${gatewayHealth}/readyz`,
    );
    const budget = new ServiceProcess(
      'budget',
      {
        ...common,
        MADAKV_BUDGET_PORT: String(budgetPort),
        MADAKV_BUDGET_HTTP_PORT: String(budgetHttp),
        ...environment,
        ...own.budget,
      },
      `http://127.0.0.1:${budgetHttp}/readyz`,
    );
    const system = new TestSystem(
      `http://127.0.0.1:${gatewayPort}`,
      { acme: keys[0]?.key ?? '', globex: keys[1]?.key ?? '' },
      redis,
      folder,
      checkpoint,
      storage,
      gateway,
      budget,
      new BudgetClient({ address: `127.0.0.1:${budgetPort}`, maxReconnectMs: 200 }),
      {
        ...common,
        MADAKV_WORKER_ROLES: roles,
        MADAKV_MODEL: checkpoint,
        MADAKV_MODEL_ID: MODEL,
        MADAKV_CACHE: join(folder, 'models'),
        MADAKV_THREADS: '1',
        ...environment,
      },
    );
    try {
      const starting = [gateway.start(), budget.start()];
      for (let i = 0; i < workers; i++) starting.push(system.addWorker());
      const results = await Promise.allSettled(starting);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  /** Starts one more worker. @returns it, ready */
  async addWorker(changes: Environment = {}): Promise<ServiceProcess> {
    const number = ++this.workerCount;
    const healthPort = await freePort();
    const worker = new ServiceProcess(
      'worker',
      {
        ...this.workerEnvironment,
        MADAKV_WORKER_ID: `worker-${number}`,
        MADAKV_WORKER_HEALTH_PORT: String(healthPort),
        ...changes,
      },
      `http://127.0.0.1:${healthPort}/readyz`,
    );
    this.workers.push(worker);
    return worker.start();
  }

  /** Starts one more gateway on the same Redis and storage. @returns where it answers, without `/v1` */
  async addGateway(changes: Environment): Promise<string> {
    const [port, healthPort] = [await freePort(), await freePort()];
    const gateway = new ServiceProcess(
      'gateway',
      {
        ...this.gateway.environment,
        MADAKV_GATEWAY_PORT: String(port),
        MADAKV_GATEWAY_HEALTH_PORT: String(healthPort),
        ...changes,
      },
      `http://127.0.0.1:${healthPort}/readyz`,
    );
    this.others.push(gateway);
    await gateway.start();
    return `http://127.0.0.1:${port}`;
  }

  /** The official client, as a tenant's; it does not retry. */
  client(tenant: Tenant = 'acme', url = this.url): OpenAI {
    return new OpenAI({ baseURL: `${url}/v1`, apiKey: this.apiKeys[tenant], maxRetries: 0 });
  }

  /** Kills everything and removes its files. */
  async stop(): Promise<void> {
    await Promise.all([...this.workers, ...this.others, this.gateway, this.budget].map((service) => service.kill()));
    this.budgetClient.close();
    await this.redis.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** As `TestSystem.start`. */
export function startSystem(options: SystemOptions = {}): Promise<TestSystem> {
  return TestSystem.start(options);
}
