import { chownSync, chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient } from './api.client.js';
import type { ClusterNetwork, PodNetwork } from './cluster.network.js';
import type { PodContainer, PodObject, PodProbe, PodVolume } from './pod.objects.js';
import { PodSandbox, type SandboxOptions } from './pod.sandbox.js';

const RESTART_AFTER_MS = 1_000;
const LOOK_EVERY_MS = 100;

/** Programs by the end of an image's repository; the tag makes no difference. */
const IMAGES: Readonly<Record<string, { readonly workdir: string; readonly entrypoint: readonly string[] }>> = {
  madakv: { workdir: '/app', entrypoint: ['/app/deploy/entrypoint.sh'] },
  redis: { workdir: '/data', entrypoint: [] },
};

export interface PodNode {
  readonly api: ApiClient;
  readonly network: ClusterNetwork;
  /** For the folders of pods. */
  readonly folder: string;
}

/** One pod on the test's node, from when it is bound to it until it is gone. */
export class PodRun {
  private sandbox: PodSandbox | undefined;
  private ready = false;
  private restarts = 0;
  private network: PodNetwork | undefined;
  private readonly ended = new AbortController();
  private readonly running: Promise<void>;
  private ending: Promise<void> | undefined;
  private said = '';
  private readonly startTime = new Date().toISOString();
  private earlier = '';

  constructor(
    private readonly pod: PodObject,
    private readonly node: PodNode,
  ) {
    this.running = this.live().catch(async (error: unknown) => {
      if (this.ended.signal.aborted) return;
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

  /** Ends it as a kubelet does, and says so to the API server, once. */
  end(graceSeconds: number): Promise<void> {
    this.ending ??= this.finish(graceSeconds);
    return this.ending;
  }

  private async finish(graceSeconds: number): Promise<void> {
    this.ended.abort();
    const until = Date.now() + graceSeconds * 1_000;
    const command = this.pod.spec.containers[0]?.lifecycle?.preStop?.exec?.command;
    if (command !== undefined && graceSeconds > 0) await this.sandbox?.exec(command, graceSeconds * 1_000);
    await this.sandbox?.end(Math.max(0, (until - Date.now()) / 1_000));
    await this.running;
    await this.network?.leave();
  }

  private async live(): Promise<void> {
    const { spec } = this.pod;
    this.network = await this.node.network.join();
    await this.tell('Pending');
    const mounts = await this.volumes();
    for (const [i, container] of (spec.initContainers ?? []).entries()) {
      for (;;) {
        const sandbox = await this.start(container, mounts, `init-${i}`);
        await this.endOf(sandbox);
        if (this.ended.signal.aborted) return;
        if (sandbox.exitCode === 0) break;
        await pause(RESTART_AFTER_MS);
      }
    }
    const [container] = spec.containers;
    if (container === undefined) throw new Error(`${this.name} has no container`);
    for (;;) {
      const sandbox = await this.start(container, mounts, container.name);
      await this.tell('Running');
      const over = new AbortController();
      const probing = this.probe(container, sandbox, over.signal);
      await this.endOf(sandbox);
      over.abort();
      await probing;
      this.ready = false;
      if (this.ended.signal.aborted) return;
      if (spec.restartPolicy === 'Never' || (spec.restartPolicy === 'OnFailure' && sandbox.exitCode === 0)) {
        return this.tell(sandbox.exitCode === 0 ? 'Succeeded' : 'Failed', `exit code ${sandbox.exitCode}`);
      }
      this.restarts++;
      await this.tell('Running');
      await pause(RESTART_AFTER_MS);
      if (this.ended.signal.aborted) return;
    }
  }

  private async endOf(sandbox: PodSandbox): Promise<void> {
    while (!sandbox.hasEnded) await pause(LOOK_EVERY_MS);
  }

  private async start(
    container: PodContainer,
    mounts: ReadonlyMap<string, string>,
    label: string,
  ): Promise<PodSandbox> {
    const { metadata, spec } = this.pod;
    const { runAsUser = 1000, runAsGroup = 1000 } = spec.securityContext ?? {};
    const image = IMAGES[/([^/:@]+)(?:[:@][^/]*)?$/.exec(container.image)?.[1] ?? ''];
    if (image === undefined) throw new Error(`${metadata.name}: no program stands for the image ${container.image}`);
    const { command = [], args = [], volumeMounts = [] } = container;
    if (spec.enableServiceLinks !== false) throw new Error(`${metadata.name} wants service links`);
    const options: SandboxOptions = {
      at: this.folder(`root-${label}`),
      network: this.network?.namespace ?? '',
      hosts: this.node.network.hosts,
      command: command.length > 0 ? [...command, ...args] : [...image.entrypoint, ...args],
      environment: { PATH: process.env['PATH'] ?? '', HOME: '/tmp', ...(await this.environment(container)) },
      user: `${runAsUser}:${runAsGroup}`,
      workdir: image.workdir,
      mounts: volumeMounts.map(({ name, mountPath, subPath = '', readOnly = false }) => ({
        source: join(mounts.get(name) ?? '', subPath),
        target: mountPath,
        readOnly,
      })),
    };
    this.earlier += this.sandbox?.output ?? '';
    this.sandbox = new PodSandbox(options);
    // Deleted while it was put together.
    if (this.ended.signal.aborted) this.sandbox.kill();
    return this.sandbox;
  }

  private async environment(container: PodContainer): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const { name, value = '', valueFrom } of container.env ?? []) {
      if (valueFrom?.secretKeyRef !== undefined) {
        found[name] = await this.secret(valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key);
      } else if (valueFrom?.fieldRef !== undefined) {
        found[name] = this.field(valueFrom.fieldRef.fieldPath);
      } else if (valueFrom?.resourceFieldRef !== undefined) {
        const [, resource = ''] = valueFrom.resourceFieldRef.resource.split('.');
        found[name] = String(Math.ceil(cores(container.resources?.requests?.[resource] ?? '0')));
      } else {
        found[name] = value.replace(/\$\((\w+)\)/g, (whole, earlier: string) => found[earlier] ?? whole);
      }
    }
    return found;
  }

  private field(path: string): string {
    const { metadata, spec } = this.pod;
    const fields: Readonly<Record<string, string | undefined>> = {
      'metadata.name': metadata.name,
      'metadata.namespace': metadata.namespace,
      'metadata.uid': metadata.uid,
      'spec.nodeName': spec.nodeName,
      'status.podIP': this.network?.address,
    };
    const value = fields[path];
    if (value === undefined) throw new Error(`${metadata.name}: no value for ${path}`);
    return value;
  }

  private async secret(name: string, key: string): Promise<string> {
    const { data = {} } = await this.object<{ data?: Record<string, string> }>('secrets', name);
    if (data[key] === undefined) throw new Error(`${this.name}: Secret ${name} has no ${key}`);
    return Buffer.from(data[key], 'base64').toString();
  }

  private object<T>(kind: string, name: string): Promise<T> {
    return this.node.api.get(`/api/v1/namespaces/${this.pod.metadata.namespace}/${kind}/${name}`);
  }

  /** Folders of this machine by the names of volumes. */
  private async volumes(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const volume of this.pod.spec.volumes ?? []) found.set(volume.name, await this.volume(volume));
    return found;
  }

  private async volume({ name, secret, configMap, persistentVolumeClaim }: PodVolume): Promise<string> {
    if (persistentVolumeClaim !== undefined) {
      const claim = await this.object<{ spec: { volumeName?: string } }>(
        'persistentvolumeclaims',
        persistentVolumeClaim.claimName,
      );
      const volume = await this.node.api.get<{ spec: { hostPath: { path: string } } }>(
        `/api/v1/persistentvolumes/${claim.spec.volumeName}`,
      );
      return this.owned(volume.spec.hostPath.path);
    }
    const folder = this.owned(this.folder(`volume-${name}`));
    if (secret !== undefined) {
      for (const { key, path } of secret.items ?? []) {
        writeFileSync(join(folder, path), await this.secret(secret.secretName, key));
      }
    }
    if (configMap !== undefined) {
      const { data = {} } = await this.object<{ data?: Record<string, string> }>('configmaps', configMap.name);
      for (const [file, text] of Object.entries(data)) writeFileSync(join(folder, file), text);
    }
    return folder;
  }

  /** As volumes are given to the pod's group. */
  private owned(path: string): string {
    mkdirSync(path, { recursive: true });
    chownSync(path, 0, this.pod.spec.securityContext?.fsGroup ?? 0);
    chmodSync(path, 0o2775);
    return path;
  }

  private folder(name: string): string {
    const path = join(this.node.folder, this.pod.metadata.uid, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  private async probe(container: PodContainer, sandbox: PodSandbox, over: AbortSignal): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = container;
    if (startupProbe !== undefined && !(await this.until(startupProbe, container, sandbox, over))) {
      if (!over.aborted) await sandbox.end(this.pod.spec.terminationGracePeriodSeconds);
      return;
    }
    const watching = [this.watchReadiness(readinessProbe, container, sandbox, over)];
    if (livenessProbe !== undefined) watching.push(this.watchLiveness(livenessProbe, container, sandbox, over));
    await Promise.all(watching);
  }

  /** Tries until the probe succeeds. @returns false where it has failed too often */
  private async until(
    probe: PodProbe,
    container: PodContainer,
    sandbox: PodSandbox,
    over: AbortSignal,
  ): Promise<boolean> {
    for (let failures = 0; !over.aborted; await sleep(probe, over)) {
      if (await this.passes(probe, container, sandbox)) return true;
      if (++failures >= (probe.failureThreshold ?? 3)) return false;
    }
    return false;
  }

  private async watchReadiness(
    probe: PodProbe | undefined,
    container: PodContainer,
    sandbox: PodSandbox,
    over: AbortSignal,
  ): Promise<void> {
    if (probe === undefined) {
      this.ready = true;
      return this.tell('Running');
    }
    for (let failures = 0; !over.aborted; await sleep(probe, over)) {
      const passes = await this.passes(probe, container, sandbox);
      failures = passes ? 0 : failures + 1;
      const ready = passes || (this.ready && failures < (probe.failureThreshold ?? 3));
      if (ready === this.ready || over.aborted) continue;
      this.ready = ready;
      await this.tell('Running');
    }
  }

  private async watchLiveness(
    probe: PodProbe,
    container: PodContainer,
    sandbox: PodSandbox,
    over: AbortSignal,
  ): Promise<void> {
    for (let failures = 0; !over.aborted; await sleep(probe, over)) {
      failures = (await this.passes(probe, container, sandbox)) ? 0 : failures + 1;
      if (failures < (probe.failureThreshold ?? 3)) continue;
      this.earlier += `\n[node] ended, as its liveness probe failed ${failures} times\n`;
      return sandbox.end(this.pod.spec.terminationGracePeriodSeconds);
    }
  }

  private async passes(
    { httpGet, exec, timeoutSeconds = 1 }: PodProbe,
    container: PodContainer,
    sandbox: PodSandbox,
  ): Promise<boolean> {
    const timeoutMs = timeoutSeconds * 1_000;
    if (exec !== undefined) return sandbox.exec(exec.command, timeoutMs);
    const { port, path } = httpGet ?? { port: 0, path: '' };
    const number =
      typeof port === 'number' ? port : container.ports?.find(({ name }) => name === port)?.containerPort;
    const url = `http://${this.network?.address}:${number}${path}`;
    return fetch(url, { signal: AbortSignal.timeout(timeoutMs), headers: { connection: 'close' } }).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** Its status, where it has changed. */
  private async tell(phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed', message = ''): Promise<void> {
    const { metadata, spec } = this.pod;
    const condition = (type: string, value: boolean) => ({ type, status: value ? 'True' : 'False' });
    const status = {
      phase,
      message,
      startTime: this.startTime,
      hostIP: '127.0.0.1',
      podIP: this.network?.address,
      podIPs: [{ ip: this.network?.address }],
      conditions: [
        condition('Initialized', phase !== 'Pending'),
        condition('ContainersReady', this.ready),
        condition('Ready', this.ready),
      ],
      containerStatuses: spec.containers.map(({ name, image }) => ({
        name,
        image,
        imageID: image,
        ready: this.ready,
        started: phase === 'Running',
        restartCount: this.restarts,
        state:
          phase === 'Running'
            ? { running: { startedAt: this.startTime } }
            : phase === 'Pending'
              ? { waiting: { reason: 'ContainerCreating' } }
              : { terminated: { exitCode: phase === 'Succeeded' ? 0 : 1, reason: phase } },
      })),
    };
    const text = JSON.stringify(status);
    if (text === this.said) return;
    this.said = text;
    const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/status`;
    await this.node.api.patch(path, { metadata: { uid: metadata.uid }, status }).catch(() => {
      // It is gone, or the API server is; what is told next says all of it.
      this.said = '';
    });
  }
}

async function sleep({ periodSeconds = 10 }: PodProbe, over: AbortSignal): Promise<void> {
  await pause(periodSeconds * 1_000, undefined, { signal: over }).catch(() => undefined);
}

/** @param quantity of processors: `2`, `500m` */
function cores(quantity: string): number {
  return quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1_000 : Number(quantity);
}
