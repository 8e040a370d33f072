import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@madakv/testing';
import { z } from 'zod';
import type { Container, Pod, Rendered } from '../chart/chart.js';
import { ROOT } from './service.process.js';

const SecretSchema = z.looseObject({ data: z.record(z.string(), z.string()) });
const ConfigMapSchema = z.looseObject({ data: z.record(z.string(), z.string()) });
const VolumeSchema = z.union([
  z.strictObject({
    name: z.string(),
    secret: z.strictObject({
      secretName: z.string(),
      items: z.array(z.strictObject({ key: z.string(), path: z.string() })),
    }),
  }),
  z.strictObject({ name: z.string(), configMap: z.strictObject({ name: z.string() }) }),
  z.strictObject({ name: z.string(), persistentVolumeClaim: z.looseObject({ claimName: z.string() }) }),
  z.strictObject({ name: z.string(), emptyDir: z.looseObject({}) }),
]);
const ServiceSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    selector: z.record(z.string(), z.string()),
    ports: z.array(z.looseObject({ port: z.int(), targetPort: z.string() })),
  }),
});

/**
 * Plays node and network for what the chart renders: a container becomes a process of this machine with exactly its command and
 * environment, but for what a machine without containers cannot give it. Addresses of Services become ports of 127.0.0.1, paths of
 * volumes folders of the test; images are the programs of this repository, and Debian's Redis.
 */
export class RenderedPods {
  private readonly ports = new Map<string, number>();
  private readonly running: RunningPod[] = [];

  constructor(
    private readonly rendered: Rendered,
    private readonly folder: string,
  ) {}

  /** Where a Service answers, as `host:port` of the values. */
  address(service: string): string {
    const port = this.ports.get(service);
    if (port === undefined) throw new Error(`${service} is not served by a pod that runs`);
    return `127.0.0.1:${port}`;
  }

  secret(name: string, key: string): string {
    const { data } = SecretSchema.parse(this.rendered.one('Secret', name));
    return Buffer.from(data[key] ?? '', 'base64').toString();
  }

  /** Starts the pod of a Deployment, StatefulSet or Pod. */
  async start(kind: string, name: string): Promise<RunningPod> {
    const pod = this.rendered.pod(kind, name);
    const [container] = pod.spec.containers;
    const own = new Map<number, number>();
    for (const { containerPort } of container.ports) own.set(containerPort, await freePort());
    for (const service of this.rendered.all('Service').map((object) => ServiceSchema.parse(object))) {
      const { selector, ports } = service.spec;
      if (!Object.entries(selector).every(([key, value]) => pod.metadata.labels[key] === value)) continue;
      for (const { port, targetPort } of ports) {
        const target = container.ports.find((each) => each.name === targetPort)?.containerPort ?? 0;
        this.ports.set(`${service.metadata.name}:${port}`, own.get(target) ?? 0);
      }
    }
    const paths = this.mounted(pod, container, name);
    const local = (text: string): string => {
      let found = text;
      for (const [service, port] of this.ports) found = found.replaceAll(service, `127.0.0.1:${port}`);
      const mount = paths.find(([path]) => found === path || found.startsWith(`${path}/`));
      return mount === undefined ? found : mount[1] + found.slice(mount[0].length);
    };
    const environment: Record<string, string> = { PATH: process.env['PATH'] ?? '', HOME: this.folder };
    for (const { name: variable, value = '', valueFrom } of container.env) {
      if (valueFrom !== undefined && 'secretKeyRef' in valueFrom) {
        environment[variable] = this.secret(valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key);
        continue;
      }
      const filled =
        valueFrom === undefined
          ? value.replace(/\$\((\w+)\)/g, (whole, earlier: string) => environment[earlier] ?? whole)
          : 'fieldRef' in valueFrom
            ? `${name}-0`
            : '1';
      const port = variable.endsWith('_PORT') ? own.get(Number(filled)) : undefined;
      environment[variable] = port === undefined ? local(filled) : String(port);
    }
    const [program = '', ...args] = programOf(container).map(local);
    const running = new RunningPod(spawn(program, args, { cwd: ROOT, env: environment }), pod, own, environment);
    this.running.push(running);
    return running;
  }

  async stop(): Promise<void> {
    await Promise.all(this.running.map((pod) => pod.end('SIGKILL')));
  }

  /** Paths in the container, the longest first, with what stands for each here. */
  private mounted(pod: Pod, container: Container, name: string): [string, string][] {
    const paths = container.volumeMounts.map(({ name: volumeName, mountPath }): [string, string] => {
      const found = pod.spec.volumes.find((each) => each.name === volumeName);
      // A claim of a StatefulSet's template is named as the mount is.
      const volume = found === undefined ? undefined : VolumeSchema.parse(found);
      const claim =
        volume !== undefined && 'persistentVolumeClaim' in volume ? volume.persistentVolumeClaim.claimName : '';
      const folder = join(this.folder, claim === '' ? `${name}-${volumeName}` : claim);
      mkdirSync(folder, { recursive: true });
      if (volume !== undefined && 'secret' in volume) {
        for (const { key, path } of volume.secret.items) {
          writeFileSync(join(folder, path), this.secret(volume.secret.secretName, key));
        }
      }
      if (volume !== undefined && 'configMap' in volume) {
        const { data } = ConfigMapSchema.parse(this.rendered.one('ConfigMap', volume.configMap.name));
        for (const [file, text] of Object.entries(data)) writeFileSync(join(folder, file), text);
      }
      return [mountPath, folder];
    });
    return paths.sort(([one], [other]) => other.length - one.length);
  }
}

/** The program and its arguments: the image's entry point with `args`, or `command`. */
function programOf({ command, args }: Container): string[] {
  if (command.length > 0) return [...command, ...args];
  return [join(ROOT, 'deploy/entrypoint.sh'), ...args];
}

/** A container's process. */
export class RunningPod {
  output = '';

  constructor(
    readonly child: ChildProcess,
    private readonly pod: Pod,
    private readonly ports: ReadonlyMap<number, number>,
    private readonly environment: Readonly<Record<string, string>>,
  ) {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => (this.output += String(piece)));
  }

  /** Whether the probe of this name succeeds now. */
  async passes(name: 'startupProbe' | 'livenessProbe' | 'readinessProbe'): Promise<boolean> {
    const [container] = this.pod.spec.containers;
    const { httpGet, exec } = container[name] ?? {};
    if (exec !== undefined) {
      const [program, ...args] = exec.command;
      return spawnSync(program, args, { env: this.environment }).status === 0;
    }
    const port = this.ports.get(container.ports.find((each) => each.name === httpGet?.port)?.containerPort ?? 0);
    return fetch(`http://127.0.0.1:${port}${httpGet?.path}`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** @returns the exit code, or the signal that ended it */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
    }
    return child.signalCode ?? child.exitCode;
  }

  /** Waits for an end of its own. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}
