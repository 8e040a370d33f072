import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rendered } from '../chart/chart.js';
import { SCENARIOS } from '../chart/scenarios.js';
import { CHART, HELM, TOOLS_ARE_THERE } from '../chart/tools.js';
import { ControlPlane, NO_CONTROL_PLANE } from './control.plane.js';
import { applyDefinitions } from './test.cluster.js';

const run = promisify(execFile);
const why = NO_CONTROL_PLANE ?? (TOOLS_ARE_THERE ? undefined : 'make check-chart builds Helm');
const NAMESPACE = 'madakv';
const RELEASE = 'trial';

/** A node that says that it can hold anything: a pod is bound to it, and nobody runs it. */
const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'paper', labels: { 'kubernetes.io/hostname': 'paper' } },
  status: {
    allocatable: { cpu: '64', memory: '256Gi', pods: '500' },
    capacity: { cpu: '64', memory: '256Gi', pods: '500' },
    conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }],
  },
};

/** Storage that nobody reads or writes: claims are bound to it, as a provisioner's would be. */
const VOLUMES = Array.from({ length: 6 }, (_, i) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { name: `paper-${i}` },
  spec: {
    capacity: { storage: '1Ti' },
    accessModes: ['ReadWriteOnce', 'ReadWriteMany'],
    hostPath: { path: `/paper/${i}` },
  },
}));

interface Listed<T> {
  readonly items: readonly T[];
}
interface Pod {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly nodeName?: string; readonly automountServiceAccountToken?: boolean };
}
interface ReplicaSet {
  readonly metadata: { readonly ownerReferences: readonly { readonly name: string }[] };
  readonly spec: { readonly replicas: number };
}
interface Event {
  readonly reason: string;
  readonly message: string;
}

let plane: ControlPlane;

describe.skipIf(why !== undefined)(
  `the chart on a real API server${why === undefined ? '' : ` (skipped: ${why})`}`,
  () => {
    beforeAll(async () => {
      plane = await ControlPlane.start();
      await applyDefinitions(plane);
      await plane.kubectl(['create', 'namespace', NAMESPACE]);
      await plane.kubectl(['create', 'namespace', 'ns']);
      // What breaks the level is refused, not warned of.
      const level = 'pod-security.kubernetes.io/enforce=restricted';
      for (const name of [NAMESPACE, 'ns']) await plane.kubectl(['label', 'namespace', name, level]);
      for (const object of [NODE, ...VOLUMES]) {
        await plane.kubectl(['apply', '--server-side', '-f', '-'], JSON.stringify(object));
      }
      await plane.kubectl(
        ['replace', '--raw', '/api/v1/nodes/paper/status', '-f', '-'],
        JSON.stringify({ ...(await plane.json<object>(['get', 'node', 'paper'])), status: NODE.status }),
      );
      await plane.kubectl(['taint', 'node', 'paper', 'node.kubernetes.io/not-ready-']).catch(() => undefined);
    });
    afterAll(() => plane.stop());

    it.each(Object.keys(SCENARIOS))('takes every object of %s', async (name) => {
      const rendered = await Rendered.of(SCENARIOS[name]);
      // A pod is refused where its account is not there, even where nothing is kept.
      const accounts = rendered.all('ServiceAccount').map((account) => JSON.stringify(account));
      for (const account of accounts) await plane.kubectl(['apply', '--server-side', '-n', 'ns', '-f', '-'], account);
      const applied = await plane.kubectl(
        ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--namespace', 'ns', '-f', '-'],
        rendered.text,
      );
      expect(applied.trim().split('\n')).toHaveLength(rendered.objects.length);
    });

    it('is installed, changed, taken back and removed; its pods are let in at the restricted level', async () => {
      const helm = (...args: string[]) =>
        run(HELM[4], [...args, '--namespace', NAMESPACE], { env: { ...process.env, KUBECONFIG: plane.kubeconfig } });
      const pods = async () => (await plane.json<Listed<Pod>>(['get', 'pods', '-n', NAMESPACE])).items;
      const refused = async () =>
        (await plane.json<Listed<Event>>(['get', 'events', '-n', NAMESPACE])).items.filter(({ reason }) =>
          reason.startsWith('FailedCreate'),
        );
      const wanted = (await Rendered.of({}, { release: RELEASE })).objects
        .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
        .reduce((sum, { spec }) => sum + ((spec as { replicas?: number }).replicas ?? 1), 0);

      await helm('install', RELEASE, CHART);
      await expect.poll(async () => (await pods()).filter(({ spec }) => spec.nodeName === 'paper').length).toBe(wanted);
      expect(await refused()).toEqual([]);
      for (const { spec } of await pods()) expect(spec.automountServiceAccountToken).toBe(false);

      // Nothing of it may ask the API server for anything.
      const account = `system:serviceaccount:${NAMESPACE}:${RELEASE}-madakv`;
      for (const [verb, resource] of [
        ['get', 'secrets'],
        ['list', 'pods'],
        ['create', 'pods'],
      ]) {
        const asked = plane.kubectl(['auth', 'can-i', verb, resource, '-n', NAMESPACE, '--as', account]);
        // kubectl ends with 1 where the answer is no.
        await expect(asked).rejects.toMatchObject({ stdout: 'no\n' });
      }

      const generations = async () => {
        const sets = (await plane.json<Listed<ReplicaSet>>(['get', 'replicasets', '-n', NAMESPACE])).items;
        return sets.filter(({ metadata }) => metadata.ownerReferences[0].name === `${RELEASE}-madakv-budget`).length;
      };
      expect(await generations()).toBe(1);
      await helm(
        'upgrade',
        RELEASE,
        CHART,
        '--set',
        'image.tag=v2',
        '--set',
        'budget.settings.MADAKV_BUDGET_LEASE_TTL_MS=20000',
      );
      await expect.poll(generations).toBe(2);
      await helm('rollback', RELEASE, '1');
      const image = ['get', 'deployment', `${RELEASE}-madakv-budget`, '-n', NAMESPACE, '-o', 'jsonpath={..image}'];
      await expect.poll(() => plane.kubectl(image)).not.toContain('v2');
      expect(await refused()).toEqual([]);

      await helm('uninstall', RELEASE);
      await expect
        .poll(async () => (await plane.json<Listed<unknown>>(['get', 'deployments', '-n', NAMESPACE])).items)
        .toEqual([]);
    });
  },
);
