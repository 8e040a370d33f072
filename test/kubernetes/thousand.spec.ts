import { setTimeout as pause } from 'node:timers/promises';
import { BudgetClient } from '@madakv/budget-client';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { READER } from './document.batch.js';
import { ON_PAPER, startKwok } from './kwok.js';
import { ServerLoad } from './server.load.js';
import { RELEASE, TestCluster, whyNoCluster } from './test.cluster.js';

const why = await whyNoCluster();
/** On a machine that does much else. What stands still fails long before. */
const TEST_MS = 7_200_000;
const STANDSTILL_MS = 600_000;
const WORKERS = 1_000;
/** Of 32 processors each; a worker asks for two. */
const NODES = 80;
const WORKER_BYTES = 2 * 1024 ** 3;
/** What waits: a job for each worker. */
const JOBS = WORKERS;
const POOL = `${RELEASE}-madakv-generate`;
const OTHERS = ['redis', 'budget', 'gateway'].map((name) => `${RELEASE}-madakv-${name}`);

interface Deployment {
  readonly spec: { readonly replicas?: number };
  readonly status: { readonly replicas?: number; readonly readyReplicas?: number };
}

let cluster: TestCluster | undefined;
let budget: BudgetClient | undefined;

const TITLE = `a thousand workers on nodes of paper${why === undefined ? '' : ` (skipped: ${why})`}`;
describe.skipIf(why !== undefined)(TITLE, { timeout: TEST_MS }, () => {
  beforeAll(async () => {
    cluster = await TestCluster.start();
    const { plane, runner } = cluster;
    await startKwok(plane, NODES);
    await cluster.helm('install', [], {
      autoscaling: { enabled: true },
      gateway: { replicas: 1 },
      budget: { replicas: 1 },
      pools: [
        {
          name: 'generate',
          roles: ['generate'],
          model: READER,
          deviceCapacity: WORKER_BYTES,
          resources: { requests: { cpu: '2', memory: '3Gi' } },
          autoscaling: {
            ...{ maxReplicas: WORKERS, pollingSeconds: 2, cooldownSeconds: 5 },
            ...{ scaleDownWindowSeconds: 5, scaleDownPercent: 100 },
          },
          ...ON_PAPER,
        },
      ],
    });
    const isReady = (name: string): boolean => runner.pods(name).some((pod) => pod.isReady);
    await vi.waitUntil(() => OTHERS.every(isReady), { timeout: 300_000, interval: 250 });
    await vi.waitUntil(async () => ((await pool()).status.replicas ?? 0) === 0, { timeout: 120_000, interval: 250 });
    budget = new BudgetClient({ address: `${await cluster.address(`${RELEASE}-madakv-budget`)}:50051` });
  }, TEST_MS);
  afterAll(async () => {
    budget?.close();
    await cluster?.stop();
  }, TEST_MS);

  const pool = async (): Promise<Deployment> =>
    (await cluster?.find<Deployment>('apis/apps/v1', 'deployments', POOL)) ?? { spec: {}, status: {} };

  /** Tells the budget service what each job will ask for. */
  const publish = async (bytes: number): Promise<void> => {
    for (let i = 0; i < JOBS; i++) await budget?.call('publishDemand', { jobId: `job-${i}`, bytes, model: READER });
  };

  /** Seconds until the pool's pods are so many, wanted, bound, and ready. */
  const until = async (workers: number): Promise<Record<'wanted' | 'made' | 'ready', number>> => {
    const began = performance.now();
    const reached = { wanted: 0, made: 0, ready: 0 };
    const note = (what: keyof typeof reached, count: number): void => {
      if (reached[what] === 0 && count === workers) reached[what] = (performance.now() - began) / 1_000;
    };
    let [before, movedAt] = ['', began];
    while (Object.values(reached).includes(0)) {
      const { spec, status } = await pool();
      const now = `${spec.replicas ?? 0} wanted, ${status.replicas ?? 0} made, ${status.readyReplicas ?? 0} ready`;
      if (now !== before) [before, movedAt] = [now, performance.now()];
      // However slow a machine is, something moves.
      if (performance.now() - movedAt > STANDSTILL_MS) throw new Error(`of ${workers} workers it stays at ${now}`);
      note('wanted', spec.replicas ?? 0);
      note('made', status.replicas ?? 0);
      note('ready', status.readyReplicas ?? 0);
      await pause(250);
    }
    return reached;
  };

  it('come when a thousand devices of cache are asked for, and go when none is', async () => {
    if (cluster === undefined) throw new Error('the cluster has not been started');
    const load = new ServerLoad(cluster.plane);
    await load.begin();
    await publish(WORKER_BYTES);
    const up = await until(WORKERS);
    const rising = await load.take();
    const pods = await cluster.pods(POOL);
    expect(pods).toHaveLength(WORKERS);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(NODES);

    await load.begin();
    await publish(0);
    const down = await until(0);
    const falling = await load.take();
    await expect.poll(async () => (await cluster?.pods(POOL))?.length, { timeout: 300_000 }).toBe(0);
    const figures = [
      { way: `0 to ${WORKERS}`, ...up, ...rising },
      { way: `${WORKERS} to 0`, ...down, ...falling },
    ];
    console.log(figures.map((row) => JSON.stringify(row)).join('\n'));
  });
});
