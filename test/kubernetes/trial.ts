import { BudgetClient } from '@madakv/budget-client';
import type { Lease } from '@madakv/contracts';
import OpenAI from 'openai';
import type { Batch } from 'openai/resources/batches';
import { expect, vi } from 'vitest';
import type { ChartValues } from '../chart/values.schema.js';
import { PatientCaller, type ComparedResult } from '../e2e/chaos.batch.js';
import { documentBatch } from './document.batch.js';
import type { PodRun } from './pod.run.js';
import { RELEASE, type TestCluster } from './test.cluster.js';

export const POOL = `${RELEASE}-madakv-generate`;
export const MOST_WORKERS = 3;
export const WORKER_BYTES = 48 * 1024 ** 2;

/** The chart as it comes, but that its pool goes up and down in seconds, and that a worker holds a third of what the batch wants. */
export const VALUES: ChartValues = {
  autoscaling: { enabled: true },
  // Who watches asks often.
  gateway: { settings: { MADAKV_GATEWAY_LIMITS: { requestsPerMinute: 6_000 } } },
  poolDefaults: {
    deviceCapacity: WORKER_BYTES,
    concurrency: 4,
    graceSeconds: 5,
    autoscaling: { pollingSeconds: 2, cooldownSeconds: 5, scaleDownWindowSeconds: 5, scaleDownPercent: 100 },
  },
  pools: [
    { name: 'batch', roles: ['batch'], autoscaling: { minReplicas: 1, maxReplicas: 1 } },
    { name: 'prepare', roles: ['prepare'], model: 'madakv-reader', autoscaling: { minReplicas: 1, maxReplicas: 1 } },
    {
      name: 'generate',
      roles: ['generate'],
      model: 'madakv-reader',
      autoscaling: { maxReplicas: MOST_WORKERS },
      resources: { requests: { cpu: '1', memory: '1Gi' } },
    },
  ],
};

/** The chart's release in a cluster, and one who asks it. */
export class Trial {
  private constructor(
    readonly cluster: TestCluster,
    readonly caller: PatientCaller,
    private readonly budget: BudgetClient,
  ) {}

  /** Installs the chart and resolves once it takes requests, while its pool is at zero. */
  static async install(cluster: TestCluster): Promise<Trial> {
    await cluster.helm('install', [], VALUES);
    const others = ['redis', 'budget', 'gateway', 'batch', 'prepare'].map((name) => `${RELEASE}-madakv-${name}`);
    const ready = () => others.filter((name) => !cluster.runner.pods(name).some((pod) => pod.isReady));
    await vi.waitUntil(() => ready().length === 0, { timeout: 300_000, interval: 250 });
    await vi.waitUntil(async () => (await cluster.pods(POOL)).length === 0, { timeout: 120_000, interval: 250 });
    const client = new OpenAI({
      baseURL: `http://${await cluster.address(`${RELEASE}-madakv-gateway`)}/v1`,
      apiKey: await cluster.secret(`${RELEASE}-madakv-api-key`, 'key'),
      maxRetries: 0,
    });
    const address = `${await cluster.address(`${RELEASE}-madakv-budget`)}:50051`;
    const budget = new BudgetClient({ address, maxReconnectMs: 500 });
    return new Trial(cluster, new PatientCaller(client, new AbortController().signal), budget);
  }

  /** The bundled documents and the questions about them. */
  async submit(): Promise<Batch> {
    const { input } = await documentBatch(this.caller);
    return this.caller.submit(input, crypto.randomUUID());
  }

  /** Lines that have an outcome. */
  async outcomes({ id }: Batch): Promise<number> {
    const { request_counts: counts } = await this.caller.ask((client) => client.batches.retrieve(id));
    return (counts?.completed ?? 0) + (counts?.failed ?? 0);
  }

  /** Waits for the end. @returns what each line has come to, by its custom_id: each once */
  results(batch: Batch): Promise<Record<string, unknown>> {
    return resultsOf(this.caller, batch);
  }

  /** Leases that requests hold now, with the pods whose devices they are of; none where the budget service is away. */
  async leases(): Promise<readonly { readonly pod: string; readonly lease: Lease }[]> {
    const { devices } = await this.budget.call('list', {}).catch(() => ({ devices: [] }));
    return devices.flatMap(({ deviceId, leases }) => leases.map((lease) => ({ pod: deviceId, lease })));
  }

  /** Pods of workers that generate and are ready. */
  workers(): PodRun[] {
    return this.cluster.runner.pods(POOL).filter((pod) => pod.isReady);
  }

  /** Resolves once workers read or answer. */
  async isUnderWay(): Promise<void> {
    await expect.poll(() => this.leases(), { timeout: 300_000, interval: 50 }).not.toEqual([]);
  }

  close(): void {
    this.budget.close();
  }
}

export async function resultsOf(caller: PatientCaller, submitted: Batch): Promise<Record<string, unknown>> {
  const batch = await caller.ended(submitted);
  expect(batch).toMatchObject({ status: 'completed' });
  const results = await caller.results(batch);
  const byId = Object.fromEntries(results.map((result): [string, unknown] => [result.custom_id, outcomeOf(result)]));
  expect(Object.keys(byId)).toHaveLength(results.length);
  expect(results).toHaveLength(batch.request_counts?.total ?? 0);
  return byId;
}

function outcomeOf({ response, error }: ComparedResult): unknown {
  return { status: response?.status_code, choices: response?.body.choices, error };
}
