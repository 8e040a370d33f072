import { freePort } from '@madakv/testing';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ApiClient } from './api.client.js';

const run = promisify(execFile);

const TOOLS = process.env['MADAKV_TOOLS_CACHE'] ?? join(homedir(), '.cache/madakv/tools');
/** As in scripts/kubernetes-tools.sh. */
const PROGRAMS = join(TOOLS, 'control-plane-v1.34.4');
export const KEDA = join(TOOLS, 'keda-programs-v2.21.0');
export const KWOK = join(TOOLS, 'kwok-v0.8.0');
const READY_MS = 120_000;
const LOOPBACK = '127.0.0.1';

/** Why there can be none; undefined where all programs are there. */
export const NO_CONTROL_PLANE = [PROGRAMS, KEDA, KWOK].some((folder) => !existsSync(folder))
  ? 'scripts/kubernetes-tools.sh builds it'
  : !(process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'etcd')))
    ? 'it needs etcd: apt-get install etcd-server'
    : undefined;

interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}
interface Pki {
  readonly ca: string;
  readonly server: KeyPair;
  readonly admin: KeyPair;
  readonly proxy: KeyPair;
  readonly accounts: string;
}

export interface ControlPlaneOptions {
  /** Addresses of Services. */
  readonly serviceRange?: string;
}

/** etcd, API server, controller manager and scheduler on loopback, from an empty store. There are no kubelets: nodes are what a test says. */
export class ControlPlane {
  private readonly processes: ChildProcess[] = [];
  /** Of its programs, by their names. */
  readonly pids = new Map<string, number>();
  private client: ApiClient | undefined;
  private pki: Pki | undefined;

  private constructor(
    /** Certificates, logs, etcd's store. */
    readonly folder: string,
    readonly kubeconfig: string,
  ) {}

  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const folder = mkdtempSync(join(tmpdir(), 'madakv-kubernetes-'));
    const plane = new ControlPlane(folder, join(folder, 'kubeconfig'));
    try {
      await plane.launch(options);
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  /** Objects by their paths, as an administrator. */
  get api(): ApiClient {
    if (this.client === undefined) throw new Error('the API server has not been started');
    return this.client;
  }

  async stop(): Promise<void> {
    this.client?.close();
    for (const child of this.processes.reverse()) {
      if (child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @returns its output. @throws with what it wrote to stderr */
  async kubectl(args: readonly string[], input?: string): Promise<string> {
    const child = run(join(PROGRAMS, 'kubectl'), args, {
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
      maxBuffer: 64 * 1024 ** 2,
    });
    child.child.stdin?.end(input ?? '');
    return (await child).stdout;
  }

  async json<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl([...args, '-o', 'json'])) as T;
  }

  private async launch({ serviceRange = '10.0.0.0/24' }: ControlPlaneOptions): Promise<void> {
    const [clients, peers, api, manager, scheduler] = await Promise.all(Array.from({ length: 5 }, freePort));
    const etcd = `http://${LOOPBACK}:${clients}`;
    const pki = await this.certificates();
    const file = (name: string): string => join(this.folder, name);
    this.spawn('etcd', 'etcd', [
      ...['--data-dir', file('etcd'), '--listen-client-urls', etcd, '--advertise-client-urls', etcd],
      ...['--listen-peer-urls', `http://${LOOPBACK}:${peers}`],
    ]);
    const { ca, server, admin, proxy, accounts } = pki;
    this.pki = pki;
    this.spawn('kube-apiserver', join(PROGRAMS, 'kube-apiserver'), [
      ...['--etcd-servers', etcd, '--bind-address', LOOPBACK, '--secure-port', String(api)],
      ...['--tls-cert-file', server.certificate, '--tls-private-key-file', server.key, '--client-ca-file', ca],
      ...['--service-account-key-file', accounts, '--service-account-signing-key-file', accounts],
      ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-cluster-ip-range', serviceRange],
      ...['--authorization-mode', 'Node,RBAC'],
      // An adapter of metrics answers in its name.
      ...['--requestheader-client-ca-file', ca, '--requestheader-allowed-names', 'front-proxy'],
      ...['--requestheader-username-headers', 'X-Remote-User', '--requestheader-group-headers', 'X-Remote-Group'],
      ...['--requestheader-extra-headers-prefix', 'X-Remote-Extra-'],
      ...['--proxy-client-cert-file', proxy.certificate, '--proxy-client-key-file', proxy.key],
    ]);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: { server: `https://${LOOPBACK}:${api}`, 'certificate-authority': ca } }],
      users: [{ name: 'u', user: { 'client-certificate': admin.certificate, 'client-key': admin.key } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    writeFileSync(this.kubeconfig, JSON.stringify(config));
    const [authority, certificate, key] = [ca, admin.certificate, admin.key].map((path) => readFileSync(path, 'utf8'));
    this.client = new ApiClient({ url: `https://${LOOPBACK}:${api}`, ca: authority, certificate, key });
    await this.ready();
    const asAdmin = ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].flatMap((flag) => [
      `--${flag}`,
      this.kubeconfig,
    ]);
    const local = ['--bind-address', LOOPBACK, '--leader-elect=false'];
    this.spawn('kube-controller-manager', join(PROGRAMS, 'kube-controller-manager'), [
      ...[...asAdmin, ...local, '--secure-port', String(manager)],
      ...['--service-account-private-key-file', accounts, '--root-ca-file', ca],
      // 15 s by default.
      ...['--horizontal-pod-autoscaler-sync-period', '3s'],
    ]);
    this.spawn('kube-scheduler', join(PROGRAMS, 'kube-scheduler'), [
      ...[...asAdmin, ...local, '--secure-port', String(scheduler)],
    ]);
  }

  private async ready(): Promise<void> {
    const until = Date.now() + READY_MS;
    for (;;) {
      try {
        await this.kubectl(['get', '--raw', '/readyz']);
        return;
      } catch (error) {
        if (Date.now() > until) throw error;
        await pause(250);
      }
    }
  }

  /** Starts one more program beside it, which ends with it; what it says goes to NAME.log. */
  spawn(name: string, program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
    const log = openSync(join(this.folder, `${name}.log`), 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
    this.processes.push(child);
    this.pids.set(name, child.pid ?? 0);
  }

  /** Files of the authority and of a server certificate that it has signed. */
  get certificateFiles(): { ca: string; certificate: string; key: string } {
    if (this.pki === undefined) throw new Error('the API server has not been started');
    return { ca: this.pki.ca, ...this.pki.server };
  }

  private async certificates(): Promise<Pki> {
    const path = (name: string): string => join(this.folder, name);
    const openssl = (...args: string[]) => run('openssl', args, { cwd: this.folder });
    await openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=ca', '-days', '2'],
      ...['-keyout', 'ca.key', '-out', 'ca.crt'],
    );
    const names = ['localhost', 'keda-operator.keda.svc', 'keda-metrics-apiserver.keda.svc'];
    writeFileSync(path('names'), `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')},IP:${LOOPBACK}\n`);
    const sign = async (name: string, subject: string) => {
      await openssl(
        ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', subject],
        ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
      );
      await openssl(
        ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', `${name}.crt`, '-days', '2', '-extfile', 'names'],
      );
      return { certificate: path(`${name}.crt`), key: path(`${name}.key`) };
    };
    const server = await sign('server', '/CN=localhost');
    const admin = await sign('admin', '/O=system:masters/CN=admin');
    const proxy = await sign('proxy', '/CN=front-proxy');
    await openssl('genrsa', '-out', 'accounts.key', '2048');
    return { ca: path('ca.crt'), server, admin, proxy, accounts: path('accounts.key') };
  }
}
