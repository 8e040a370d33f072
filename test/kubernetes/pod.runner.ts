import { mkdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { unlessGone } from './api.client.js';
import type { Listed, PodObject } from './pod.objects.js';
import { PodRun, type PodNode } from './pod.run.js';

const LOOK_EVERY_MS = 200;
const BEAT_EVERY_MS = 5_000;

/**
 * Plays the kubelets of a cluster's nodes for the test's own chart: a pod that is bound to one of them becomes a real process with exactly its
 * command, environment, mounts, user and probes; when it is deleted, it is ended as a kubelet does. Images are programs of this
 * machine, limits of processors and memory are not kept.
 */
export class PodRunner {
  private readonly runs = new Map<string, PodRun>();
  private readonly over = new AbortController();
  private looking: Promise<void> = Promise.resolve();
  private beating: Promise<void> = Promise.resolve();

  constructor(
    private readonly node: PodNode,
    private readonly names: readonly string[],
  ) {
    mkdirSync(node.folder, { recursive: true });
  }

  async start(): Promise<void> {
    for (const name of this.names) await this.register(name);
    this.looking = this.every(LOOK_EVERY_MS, () => this.look());
    this.beating = this.every(BEAT_EVERY_MS, () => this.beat());
  }

  /** Pods on its nodes whose names begin so, but for those that end. */
  pods(prefix: string): PodRun[] {
    return [...this.runs.values()].filter((run) => run.name.startsWith(prefix) && !run.isEnding);
  }

  async stop(): Promise<void> {
    this.over.abort();
    await Promise.all([this.looking, this.beating]);
    await Promise.all([...this.runs.values()].map((run) => run.end(0)));
  }

  private async every(ms: number, act: () => Promise<void>): Promise<void> {
    while (!this.over.signal.aborted) {
      await act().catch(() => undefined);
      await pause(ms, undefined, { signal: this.over.signal }).catch(() => undefined);
    }
  }

  private async look(): Promise<void> {
    const { api } = this.node;
    for (const name of this.names) {
      const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${name}`)}`;
      const { items } = await api.get<Listed<PodObject>>(`/api/v1/pods?${query}`);
      for (const pod of items) {
        const { uid, deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
        const over = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
        let run = this.runs.get(uid);
        if (run === undefined && deletionTimestamp === undefined && !over) {
          run = new PodRun(pod, this.node);
          this.runs.set(uid, run);
        }
        if (deletionTimestamp !== undefined) void this.remove(pod, run, deletionGracePeriodSeconds);
      }
    }
  }

  private readonly removing = new Set<string>();

  private async remove({ metadata }: PodObject, run: PodRun | undefined, graceSeconds: number): Promise<void> {
    const { uid, namespace, name } = metadata;
    if (this.removing.has(uid)) return;
    this.removing.add(uid);
    await run?.end(graceSeconds);
    this.runs.delete(uid);
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid } };
    await unlessGone(this.node.api.delete(`/api/v1/namespaces/${namespace}/pods/${name}`, options)).catch(() => {
      // The API server may be back at the next look.
      this.removing.delete(uid);
    });
  }

  private async register(name: string): Promise<void> {
    const { api } = this.node;
    const room = { cpu: '64', memory: '256Gi', pods: '500' };
    await api.post('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    });
    await api.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        allocatable: room,
        capacity: room,
        conditions: [{ type: 'Ready', status: 'True', reason: 'PodRunner', message: 'a node of the test' }],
      },
    });
    await api.post('/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', lease(name));
  }

  /** Without it nodes are taken for dead and their pods are moved. */
  private async beat(): Promise<void> {
    for (const name of this.names) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${name}`;
      await this.node.api.patch(path, { spec: { renewTime: lease(name).spec.renewTime } });
    }
  }
}

function lease(name: string) {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'kube-node-lease' },
    spec: {
      holderIdentity: name,
      leaseDurationSeconds: 40,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    },
  };
}
