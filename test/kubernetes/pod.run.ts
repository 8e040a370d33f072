import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient } from './api.client.js';
import type { ClusterNetwork, PodNetwork } from './cluster.network.js';
import type { PodContainer, PodObject } from './pod.objects.js';
import { PodParts } from './pod.parts.js';
import { PodProbes } from './pod.probes.js';
import { PodSandbox } from './pod.sandbox.js';

const RESTART_AFTER_MS = 1_000;
const LOOK_EVERY_MS = 100;

/** Programs by the end of an image's repository; the tag makes no difference. */
const IMAGES: ReadonlyMap<string, { readonly workdir: string; readonly entrypoint: readonly string[] }> = new Map([
  ['madakv', { workdir: '/app', entrypoint: ['/app/deploy/entrypoint.sh'] }],
  ['redis', { workdir: '/data', entrypoint: [] }],
]);

export interface PodNode {
  readonly api: ApiClient;
  readonly network: ClusterNetwork;
  /** For the folders of pods. */
  readonly folder: string;
}

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** What the pod has once it is on the node. */
interface Place {
  readonly network: PodNetwork;
  readonly parts: PodParts;
  readonly volumes: ReadonlyMap<string, string>;
}

/** One pod on the test's node, from when it is bound to it until it is gone. */
export class PodRun {
  private sandbox: PodSandbox | undefined;
  private network: PodNetwork | undefined;
  private ready = false;
  private restarts = 0;
  /** What containers wrote that have ended, and why. */
  private earlier = '';
  private said = '';
  private readonly startTime = new Date().toISOString();
  private readonly ended = new AbortController();
  private readonly running: Promise<void>;
  private ending: Promise<void> | undefined;

  constructor(
    private readonly pod: PodObject,
    private readonly node: PodNode,
  ) {
    this.running = this.live().catch(async (error: unknown) => {
      if (this.isEnding) return;
      this.earlier += `\n${String(error)}`;
      await this.tell('Failed', String(error));
    });
  }

  get name(): string {
    return this.pod.metadata.name;
  }

  /** All that its container wrote, restarts included. */
  get output(): string {
    return this.earlier + (this.sandbox?.output ?? '');
  }

  get isReady(): boolean {
    return this.ready;
  }

  /** Whether it was told to end. */
  get isEnding(): boolean {
    return this.ended.signal.aborted;
  }

  get restartCount(): number {
    return this.restarts;
  }

  /** To the container's process 1. */
  signal(signal: NodeJS.Signals): void {
    this.sandbox?.signal(signal);
  }

  /** Ends it as a kubelet does. May be called again. */
  end(graceSeconds: number): Promise<void> {
    this.ending ??= this.finish(graceSeconds);
    return this.ending;
  }

  private async finish(graceSeconds: number): Promise<void> {
    this.ended.abort();
    const until = Date.now() + graceSeconds * 1_000;
    const command = this.container.lifecycle?.preStop?.exec?.command;
    if (command !== undefined && graceSeconds > 0) await this.sandbox?.exec(command, graceSeconds * 1_000);
    await this.sandbox?.end(Math.max(0, (until - Date.now()) / 1_000));
    await this.running;
    await this.network?.leave();
  }

  /** The chart's pods have one. */
  private get container(): PodContainer {
    return this.pod.spec.containers[0];
  }

  private async live(): Promise<void> {
    const { api, folder } = this.node;
    const network = await this.node.network.join();
    this.network = network;
    await this.tell('Pending');
    const parts = new PodParts(this.pod, api, folder, network.address);
    const place: Place = { network, parts, volumes: await parts.volumes() };
    for (const container of this.pod.spec.initContainers ?? []) {
      for (;;) {
        const code = await this.endOf(await this.start(container, place));
        if (this.isEnding) return;
        if (code === 0) break;
        await pause(RESTART_AFTER_MS);
      }
    }
    for (;;) {
      const code = await this.once(place);
      if (this.isEnding) return;
      const { restartPolicy } = this.pod.spec;
      if (restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && code === 0)) {
        return this.tell(code === 0 ? 'Succeeded' : 'Failed', `exit code ${code}`);
      }
      this.restarts++;
      await this.tell('Running');
      await pause(RESTART_AFTER_MS, undefined, { signal: this.ended.signal });
    }
  }

  /** The container from its start to its end. @returns its exit code */
  private async once(place: Place): Promise<number> {
    const { container } = this;
    const sandbox = await this.start(container, place);
    await this.tell('Running');
    const over = new AbortController();
    const probes = new PodProbes({
      ...{ container, sandbox, address: place.network.address },
      onReady: async (ready) => {
        this.ready = ready;
        await this.tell('Running');
      },
      onDead: async (reason) => {
        this.earlier += `\n[node] is ended: ${reason}\n`;
        await sandbox.end(this.pod.spec.terminationGracePeriodSeconds);
      },
    });
    const watching = probes.watch(over.signal);
    const code = await this.endOf(sandbox);
    over.abort();
    await watching;
    this.ready = false;
    return code;
  }

  private async endOf(sandbox: PodSandbox): Promise<number> {
    while (!sandbox.hasEnded) await pause(LOOK_EVERY_MS);
    return sandbox.exitCode;
  }

  private async start(container: PodContainer, { network, parts, volumes }: Place): Promise<PodSandbox> {
    const { runAsUser = 1000, runAsGroup = 1000 } = this.pod.spec.securityContext ?? {};
    const image = IMAGES.get(/([^/:@]+)(?:[:@][^/]*)?$/.exec(container.image)?.[1] ?? '');
    if (image === undefined) throw new Error(`${this.name}: no program stands for the image ${container.image}`);
    if (this.pod.spec.enableServiceLinks !== false) throw new Error(`${this.name} wants service links`);
    const { command = [], args = [], volumeMounts = [] } = container;
    this.earlier += this.sandbox?.output ?? '';
    this.sandbox = new PodSandbox({
      at: parts.folder(`root-${container.name}`),
      network: network.namespace,
      hosts: this.node.network.hosts,
      command: command.length > 0 ? [...command, ...args] : [...image.entrypoint, ...args],
      environment: { PATH: process.env['PATH'] ?? '', HOME: '/tmp', ...(await parts.environment(container)) },
      user: `${runAsUser}:${runAsGroup}`,
      workdir: image.workdir,
      mounts: volumeMounts.map(({ name, mountPath, subPath = '', readOnly = false }) => ({
        source: join(volumes.get(name) ?? '', subPath),
        target: mountPath,
        readOnly,
      })),
    });
    // Deleted while it was put together.
    if (this.isEnding) this.sandbox.kill();
    return this.sandbox;
  }

  /** Its status, where it has changed. */
  private async tell(phase: Phase, message = ''): Promise<void> {
    const { namespace, name, uid } = this.pod.metadata;
    const status = this.statusOf(phase, message);
    const text = JSON.stringify(status);
    if (text === this.said) return;
    this.said = text;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    await this.node.api.patch(path, { metadata: { uid }, status }).catch(() => {
      // It is gone, or the API server is; what is told next says all of it.
      this.said = '';
    });
  }

  private statusOf(phase: Phase, message: string): object {
    const { ready, startTime } = this;
    const podIP = this.network?.address;
    const condition = (type: string, value: boolean) => ({ type, status: value ? 'True' : 'False' });
    const exitCode = phase === 'Succeeded' ? 0 : 1;
    const states: Record<Phase, object> = {
      Pending: { waiting: { reason: 'ContainerCreating' } },
      Running: { running: { startedAt: startTime } },
      Succeeded: { terminated: { exitCode, reason: 'Completed' } },
      Failed: { terminated: { exitCode, reason: 'Error' } },
    };
    return {
      ...{ phase, message, startTime, hostIP: '127.0.0.1', podIP, podIPs: [{ ip: podIP }] },
      conditions: [
        condition('Initialized', phase !== 'Pending'),
        condition('ContainersReady', ready),
        condition('Ready', ready),
      ],
      containerStatuses: this.pod.spec.containers.map(({ name, image }) => ({
        ...{ name, image, imageID: image, ready, started: phase === 'Running' },
        restartCount: this.restarts,
        state: states[phase],
      })),
    };
  }
}
