import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PatientCaller } from '../e2e/chaos.batch.js';
import { isShrunk } from '../e2e/chaos.run.js';
import { ROOT } from '../e2e/service.process.js';
import { startSystem } from '../e2e/system.fixture.js';
import { documentBatch, READER } from './document.batch.js';
import type { PodRun } from './pod.run.js';
import { writeFigure } from './scaling.figure.js';
import { ScalingRecord } from './scaling.record.js';
import { NAMESPACE, NODES, RELEASE, TestCluster, whyNoCluster } from './test.cluster.js';
import { MOST_WORKERS, POOL, resultsOf, Trial, VALUES, WORKER_BYTES } from './trial.js';

const why = await whyNoCluster();
const TEST_MS = 600_000;

let cluster: TestCluster | undefined;
let trial: Trial;
/** What the same lines come to without Kubernetes. */
let expected: Record<string, unknown>;

/** The same lines on one process of each service, outside of any cluster. */
async function withoutKubernetes(): Promise<Record<string, unknown>> {
  const system = await startSystem({
    checkpoint: `${ROOT}models/${READER}`,
    environment: { MADAKV_MODEL_ID: READER },
  });
  try {
    const caller = new PatientCaller(system.client(), AbortSignal.timeout(TEST_MS));
    const { input } = await documentBatch(caller);
    return await resultsOf(caller, await caller.submit(input, 'reference'));
  } finally {
    await system.stop();
  }
}

interface ScaledObject {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}
interface Deployment {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } };
  };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

const TITLE = `the chart in a cluster, its pods run for real${why === undefined ? '' : ` (skipped: ${why})`}`;
describe.skipIf(why !== undefined)(TITLE, { timeout: TEST_MS }, () => {
  beforeAll(async () => {
    expected = await withoutKubernetes();
    cluster = await TestCluster.start();
    trial = await Trial.install(cluster);
  }, TEST_MS);
  afterAll(async () => {
    if (cluster !== undefined) trial.close();
    await cluster?.stop();
  }, TEST_MS);

  const kubectl = (...args: string[]): Promise<string> => trial.cluster.plane.kubectl(args);
  const deployment = async (name: string): Promise<Deployment> => {
    const found = await trial.cluster.find<Deployment>('apis/apps/v1', 'deployments', `${RELEASE}-madakv-${name}`);
    if (found === undefined) throw new Error(`no Deployment ${name}`);
    return found;
  };
  /** Whether Fallback holds: KEDA goes by what is there, not by a figure. */
  const fallsBack = async (): Promise<boolean> => {
    const found = await trial.cluster.find<ScaledObject>('apis/keda.sh/v1alpha1', 'scaledobjects', POOL);
    return found?.status.conditions.some(({ type, status }) => type === 'Fallback' && status === 'True') ?? false;
  };
  const budgets = (): PodRun[] => trial.cluster.runner.pods(`${RELEASE}-madakv-budget`);

  it('scales workers with what queued documents want of the cache, from zero and back to zero', async () => {
    let outcomes = 0;
    const record = new ScalingRecord(trial.cluster, POOL, () => outcomes);
    const batch = await trial.submit();
    const total = Object.keys(expected).length;
    while (outcomes < total) {
      outcomes = await trial.outcomes(batch);
      await pause(250);
    }
    expect(await trial.results(batch)).toEqual(expected);
    await expect
      .poll(() => record.seen.at(-1), { timeout: 240_000 })
      .toMatchObject({ queuedBytes: 0, heldBytes: 0, wanted: 0, ready: 0 });
    const seen = await record.stop();
    writeFigure(seen, WORKER_BYTES);
    expect(seen[0]).toMatchObject({ wanted: 0, ready: 0 });
    // By bytes, which are of more than one worker; how many are wanted at once is for how fast the first of them answers.
    const most = Math.max(...seen.map(({ wanted }) => wanted));
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(MOST_WORKERS);
  });

  it('loses nothing when a node is drained under way', async () => {
    const batch = await trial.submit();
    await trial.isUnderWay();
    const node = (await trial.cluster.pods(POOL)).at(0)?.spec.nodeName ?? NODES[0];
    await kubectl('drain', node, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=300s');
    const left = (await trial.cluster.pods('')).filter(({ spec }) => spec.nodeName === node);
    expect(left.map(({ metadata }) => metadata.name)).toEqual([]);
    expect(await trial.results(batch)).toEqual(expected);
    await kubectl('uncordon', node);
  });

  it('loses nothing when the pod of a worker is deleted in a prefill', async () => {
    const batch = await trial.submit();
    let deleted: string | undefined;
    while (deleted === undefined && (await trial.outcomes(batch)) < Object.keys(expected).length) {
      const workers = trial.workers();
      // A fast one would be past it before it could be deleted.
      for (const worker of workers) worker.signal('SIGSTOP');
      const reading = (await trial.leases()).filter(({ lease }) => !isShrunk(lease)).map(({ pod }) => pod);
      const victim = workers.find(({ name }) => reading.includes(name));
      if (victim !== undefined) {
        deleted = victim.name;
        await kubectl('delete', 'pod', deleted, '-n', NAMESPACE, '--grace-period=1', '--wait=false');
      }
      for (const worker of workers) if (worker !== victim) worker.signal('SIGCONT');
      await pause(20);
    }
    expect(deleted).toBeDefined();
    expect(await trial.results(batch)).toEqual(expected);
  });

  it('loses nothing when it is upgraded and rolled back under load', async () => {
    const batch = await trial.submit();
    await trial.isUnderWay();
    const settled = async (tag: string): Promise<string[]> => {
      const found = await Promise.all(['gateway', 'budget', 'batch', 'prepare', 'generate'].map(deployment));
      return found
        .filter(({ metadata, spec, status }) => {
          const { observedGeneration, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
          const images = spec.template.spec.containers.map(({ image }) => image);
          const isNew = images.every((image) => image.endsWith(tag)) && observedGeneration === metadata.generation;
          const isOver = updatedReplicas === replicas && availableReplicas === replicas;
          return !(isNew && isOver) || replicas !== spec.replicas;
        })
        .map(({ metadata }) => metadata.name);
    };
    const before = (await deployment('gateway')).spec.template.spec.containers[0]?.image.split(':').at(-1) ?? '';
    await trial.cluster.helm('upgrade', ['--set', 'image.tag=next'], {
      ...VALUES,
      budget: { settings: { MADAKV_BUDGET_LEASE_TTL_MS: 20_000 } },
    });
    await expect.poll(() => settled(':next'), { timeout: 300_000 }).toEqual([]);
    const during = await trial.submit();
    await trial.isUnderWay();
    await trial.cluster.helm('rollback', ['1']);
    await expect.poll(() => settled(`:${before}`), { timeout: 300_000 }).toEqual([]);
    expect(await trial.results(batch)).toEqual(expected);
    expect(await trial.results(during)).toEqual(expected);
  });

  it('loses nothing when the budget service is killed', async () => {
    const batch = await trial.submit();
    await trial.isUnderWay();
    const before = budgets().map(({ restartCount }) => restartCount);
    for (const pod of budgets()) pod.signal('SIGKILL');
    await expect
      .poll(() => budgets().map(({ restartCount, isReady }) => [restartCount, isReady]), { timeout: 120_000 })
      .toEqual(before.map((count) => [count + 1, true]));
    expect(await trial.results(batch)).toEqual(expected);
  });

  it('keeps its workers while their figure cannot be read', async () => {
    const batch = await trial.submit();
    const wanted = async (): Promise<number> => (await deployment('generate')).spec.replicas;
    await expect.poll(wanted, { timeout: 300_000, interval: 50 }).toBeGreaterThan(1);
    // From here on nobody is granted memory either: what waits goes on waiting.
    for (const pod of budgets()) pod.signal('SIGSTOP');
    const replicas = await wanted();
    await expect.poll(fallsBack, { timeout: 120_000 }).toBe(true);
    const kept = await wanted();
    for (const pod of budgets()) pod.signal('SIGCONT');
    expect(kept).toBeGreaterThanOrEqual(replicas);
    expect(await trial.results(batch)).toEqual(expected);
    await expect.poll(fallsBack, { timeout: 120_000 }).toBe(false);
  });

  it('passes `helm test`', async () => {
    expect(await trial.cluster.helm('test', ['--timeout', '9m'])).toContain('Succeeded');
  });
});
