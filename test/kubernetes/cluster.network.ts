import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ApiClient } from './api.client.js';

const run = promisify(execFile);

interface Service {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly clusterIP?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number }[];
  };
}
interface EndpointSlice {
  readonly metadata: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions: { readonly ready?: boolean };
  }[];
  readonly ports: readonly { readonly name?: string; readonly port: number }[] | null;
}
interface Listed<T> {
  readonly items: readonly T[];
}

export interface PodNetwork {
  readonly address: string;
  /** Of `ip netns`. */
  readonly namespace: string;
  leave(): Promise<void>;
}

/** Why there can be none; undefined where one can be made. */
export async function whyNoNetwork(): Promise<string | undefined> {
  const network = new ClusterNetwork('/nonexistent');
  return network.open().then(
    async () => {
      await network.close();
      return undefined;
    },
    (error: unknown) => `pods need network namespaces, which need root: ${String(error).split('\n')[0]}`,
  );
}

/**
 * The network of a cluster on this machine: every pod has a network namespace and an address of its own on one bridge, and what
 * kube-proxy and CoreDNS would do is done by the test's process: a Service's address is held by the bridge and passes connections
 * on to what its EndpointSlices say is ready, and names stand in a file for /etc/hosts. Network policies are not enforced.
 */
export class ClusterNetwork {
  private readonly number = 64 + Math.floor(Math.random() * 64);
  private readonly bridge = `madakv${this.number}`;
  /** Range of pods is the lower half of 10.x, that of Services the upper one. */
  readonly serviceRange = `10.${this.number}.128.0/17`;
  /** As /etc/hosts: every Service by all names that it has in a cluster. */
  readonly hosts: string;
  private readonly namespaces = new Set<string>();
  private readonly servers = new Map<string, Server>();
  private readonly addresses = new Set<string>();
  private pods = 1;
  private slices: readonly EndpointSlice[] = [];
  private written = '';
  private timer: NodeJS.Timeout | undefined;
  private looking = Promise.resolve();

  constructor(folder: string) {
    this.hosts = join(folder, 'hosts');
  }

  async open(): Promise<void> {
    await ip('link', 'add', this.bridge, 'type', 'bridge');
    await ip('addr', 'add', `10.${this.number}.0.1/16`, 'dev', this.bridge);
    await ip('link', 'set', this.bridge, 'up');
  }

  /** From now on Services are served, as the API server has them. */
  serve(api: ApiClient): void {
    writeFileSync(this.hosts, '127.0.0.1 localhost\n');
    this.timer = setInterval(() => {
      this.looking = this.looking.then(() => this.look(api)).catch(() => undefined);
    }, 250);
  }

  /** A network for one more pod. */
  async join(): Promise<PodNetwork> {
    const number = this.pods++;
    const namespace = `${this.bridge}-${number}`;
    // The bridge has the first.
    const address = `10.${this.number}.${(number + 1) >> 8}.${(number + 1) & 255}`;
    const link = `mk${this.number}v${number}`;
    await ip('netns', 'add', namespace);
    this.namespaces.add(namespace);
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    await ip('link', 'set', link, 'master', this.bridge, 'up');
    await ip('-n', namespace, 'addr', 'add', `${address}/16`, 'dev', 'eth0');
    for (const each of ['lo', 'eth0']) await ip('-n', namespace, 'link', 'set', each, 'up');
    const leave = async (): Promise<void> => {
      if (this.namespaces.delete(namespace)) await ip('netns', 'del', namespace);
    };
    return { address, namespace, leave };
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
    for (const server of this.servers.values()) server.close();
    for (const namespace of this.namespaces) await ip('netns', 'del', namespace).catch(() => undefined);
    await ip('link', 'del', this.bridge).catch(() => undefined);
    rmSync(this.hosts, { force: true });
  }

  private async look(api: ApiClient): Promise<void> {
    const [services, slices] = await Promise.all([
      api.get<Listed<Service>>('/api/v1/services'),
      api.get<Listed<EndpointSlice>>('/apis/discovery.k8s.io/v1/endpointslices'),
    ]);
    this.slices = slices.items;
    const names: string[] = ['127.0.0.1 localhost'];
    const wanted = new Set<string>();
    for (const { metadata, spec } of services.items) {
      const { clusterIP = '', ports = [] } = spec;
      const inside = `${metadata.name}.${metadata.namespace}`;
      const named = `${metadata.name} ${inside} ${inside}.svc ${inside}.svc.cluster.local`;
      if (clusterIP === 'None') {
        const hosts = new Set(this.targets(metadata).map(({ host }) => host));
        names.push(...[...hosts].map((host) => `${host} ${named}`));
        continue;
      }
      if (!clusterIP.startsWith(`10.${this.number}.`)) continue;
      names.push(`${clusterIP} ${named}`);
      if (!this.addresses.has(clusterIP)) {
        await ip('addr', 'add', `${clusterIP}/32`, 'dev', this.bridge);
        this.addresses.add(clusterIP);
      }
      for (const { name = '', port } of ports) {
        const key = `${clusterIP}:${port}`;
        wanted.add(key);
        if (this.servers.has(key)) continue;
        const server = createServer({ allowHalfOpen: true }, (socket) => {
          this.pass(socket, this.targets(metadata, name));
        });
        server.listen(port, clusterIP);
        this.servers.set(key, server);
      }
    }
    for (const [key, server] of this.servers) {
      if (wanted.has(key)) continue;
      server.close();
      this.servers.delete(key);
    }
    const text = `${names.join('\n')}\n`;
    if (text === this.written) return;
    // The same file, as it is mounted in many places.
    writeFileSync(this.hosts, text);
    this.written = text;
  }

  /** Where a Service's ready pods are; all ports of it where none is named. */
  private targets({ namespace, name }: Service['metadata'], portName?: string): { host: string; port: number }[] {
    return this.slices
      .filter(
        ({ metadata }) => metadata.namespace === namespace && metadata.labels['kubernetes.io/service-name'] === name,
      )
      .flatMap(({ endpoints, ports }) => {
        const port = ports?.find((each) => portName === undefined || each.name === portName)?.port;
        if (port === undefined) return [];
        return endpoints
          .filter(({ conditions }) => conditions.ready !== false)
          .flatMap(({ addresses }) => addresses.map((host) => ({ host, port })));
      });
  }

  private pass(socket: Socket, targets: readonly { readonly host: string; readonly port: number }[]): void {
    if (targets.length === 0) {
      socket.resetAndDestroy();
      return;
    }
    const target = targets[Math.floor(Math.random() * targets.length)];
    const further = connect({ ...target, allowHalfOpen: true });
    socket.pipe(further).pipe(socket);
    const end = (): void => {
      socket.destroy();
      further.destroy();
    };
    socket.on('error', end).on('close', end);
    further.on('error', end).on('close', end);
  }
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}
