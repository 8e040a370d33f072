import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CHART, HELM, TOOLS_ARE_THERE, toolPath } from '../chart/tools.js';
import type { ChartValues } from '../chart/values.schema.js';
import { ApiError } from './api.client.js';
import { ClusterNetwork, whyNoNetwork } from './cluster.network.js';
import { ControlPlane, NO_CONTROL_PLANE } from './control.plane.js';
import { startKeda } from './keda.js';
import type { Listed, PodObject } from './pod.objects.js';
import { PodRunner } from './pod.runner.js';

const run = promisify(execFile);
const VOLUMES = 6;
export const NAMESPACE = 'madakv';
export const RELEASE = 'trial';
export const NODES = ['node-a', 'node-b'] as const;

/** Why there can be no such cluster here; undefined where there can. */
export async function whyNoCluster(): Promise<string | undefined> {
  return NO_CONTROL_PLANE ?? (TOOLS_ARE_THERE ? whyNoNetwork() : 'make check-chart builds Helm');
}

/** The resource definitions that the chart has objects of. */
export async function applyDefinitions(plane: ControlPlane): Promise<void> {
  for (const folder of [
    toolPath('keda', 'bases'),
    toolPath('prometheus-operator', 'prometheus-operator-crd'),
    toolPath('gateway-api', 'standard'),
  ]) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml') && !name.startsWith('kustom'))) {
      await plane.kubectl(['apply', '--server-side', '-f', join(folder, file)]);
    }
  }
}

/** A control plane with KEDA, two nodes that run pods as processes, a network, and volumes that are folders. */
export class TestCluster {
  private constructor(
    readonly plane: ControlPlane,
    readonly runner: PodRunner,
    private readonly network: ClusterNetwork,
    private readonly folder: string,
  ) {}

  static async start(): Promise<TestCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'madakv-cluster-'));
    const network = new ClusterNetwork(folder);
    await network.open();
    const plane = await ControlPlane.start({ serviceRange: network.serviceRange }).catch(async (error: unknown) => {
      await network.close();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    });
    const { api } = plane;
    const runner = new PodRunner({ api, network, folder: join(folder, 'pods') }, NODES);
    const cluster = new TestCluster(plane, runner, network, folder);
    try {
      network.serve(api);
      await applyDefinitions(plane);
      await startKeda(plane, network.hosts);
      await plane.kubectl(['create', 'namespace', NAMESPACE]);
      // What breaks the level is refused, not warned of.
      await plane.kubectl(['label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted']);
      for (let i = 0; i < VOLUMES; i++) await api.post('/api/v1/persistentvolumes', volume(folder, i));
      await runner.start();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** `install`, `upgrade`, `rollback`, `test`, of the one release. @returns what it says */
  async helm(command: string, args: readonly string[] = [], values?: ChartValues): Promise<string> {
    const chart = command === 'install' || command === 'upgrade' ? [CHART] : [];
    const given = values === undefined ? [] : ['--values', '-'];
    const child = run(HELM[4], [command, RELEASE, ...chart, '--namespace', NAMESPACE, ...given, ...args], {
      env: { ...process.env, KUBECONFIG: this.plane.kubeconfig },
    });
    child.child.stdin?.end(values === undefined ? '' : JSON.stringify(values));
    return (await child).stdout;
  }

  /** An object of the release's namespace; undefined where it is not there. */
  async find<T>(group: string, kind: string, name: string): Promise<T | undefined> {
    const path = `/${group}/namespaces/${NAMESPACE}/${kind}/${name}`;
    try {
      return await this.plane.api.get<T>(path);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Pods of the release by the start of their names, as the API server has them. */
  async pods(prefix: string): Promise<PodObject[]> {
    const { items } = await this.plane.api.get<Listed<PodObject>>(`/api/v1/namespaces/${NAMESPACE}/pods`);
    return items.filter(({ metadata }) => metadata.name.startsWith(prefix));
  }

  async secret(name: string, key: string): Promise<string> {
    const found = await this.find<{ data: Record<string, string> }>('api/v1', 'secrets', name);
    return Buffer.from(found?.data[key] ?? '', 'base64').toString();
  }

  /** Address of a Service from this machine. */
  async address(name: string): Promise<string> {
    const found = await this.find<{ spec: { clusterIP: string } }>('api/v1', 'services', name);
    return found?.spec.clusterIP ?? '';
  }

  async stop(): Promise<void> {
    await this.runner.stop();
    await this.network.close();
    await this.plane.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function volume(folder: string, number: number) {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: `folder-${number}` },
    spec: {
      capacity: { storage: '1Ti' },
      accessModes: ['ReadWriteOnce', 'ReadWriteMany'],
      hostPath: { path: join(folder, `volume-${number}`) },
    },
  };
}
