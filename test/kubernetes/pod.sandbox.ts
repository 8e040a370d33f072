import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bindLine, chrootLines, quote } from '../image/chroot.js';
import { ROOT } from '../chart/tools.js';

/** What a container is, with all that a node fills in. */
export interface SandboxOptions {
  /** An empty folder where its root is put together. */
  readonly at: string;
  /** Network namespace. */
  readonly network: string;
  /** For /etc/hosts. */
  readonly hosts: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** uid:gid */
  readonly user: string;
  readonly workdir: string;
  readonly mounts: readonly { readonly source: string; readonly target: string; readonly readOnly: boolean }[];
}

/** What every image has of this machine: a system with Node, wherever that is installed, and Redis. */
const LINKS = ['bin', 'sbin', 'lib', 'lib64'];
const SETTINGS = ['passwd', 'group', 'nsswitch.conf', 'ld.so.cache', 'ssl'];
const NODE = dirname(dirname(process.execPath));

/**
 * A container of this machine: root of its own, read-only but for its mounts, with this repository as /app; network, processes and mounts of
 * its own; a user without rights. Its program is process 1 and has nothing between itself and signals.
 */
export class PodSandbox {
  private readonly child: ChildProcess;
  output = '';

  constructor(private readonly options: SandboxOptions) {
    const { at, network, hosts, mounts } = options;
    const systems = ['/usr', ...(`${NODE}/`.startsWith('/usr/') ? [] : [NODE])];
    const folders = [...systems, '/etc', '/app', '/proc', '/dev', '/tmp', options.workdir];
    folders.push(...mounts.map(({ target }) => target));
    const lines = [
      `mount -t tmpfs tmpfs ${quote(at)}`,
      `mkdir -p ${folders.map((path) => quote(at + path)).join(' ')}`,
      ...LINKS.filter((name) => existsSync(`/${name}`)).map((name) => `ln -s usr/${name} ${quote(`${at}/${name}`)}`),
      ...SETTINGS.filter((name) => existsSync(`/etc/${name}`)).map(
        (name) => `cp -a ${quote(`/etc/${name}`)} ${quote(`${at}/etc/`)}`,
      ),
      `touch ${quote(`${at}/etc/hosts`)}`,
      ...[
        ...systems.map((path) => ({ source: path, target: path })),
        { source: ROOT, target: '/app' },
        { source: hosts, target: '/etc/hosts' },
      ].flatMap((mount) => [bindLine(mount, at), readOnlyLine(at + mount.target)]),
      ...mounts.flatMap((mount) => [bindLine(mount, at), ...(mount.readOnly ? [readOnlyLine(at + mount.target)] : [])]),
      `mount -o remount,ro ${quote(at)}`,
      ...chrootLines(at, {
        env: options.environment,
        workdir: options.workdir,
        command: options.command,
        user: options.user,
      }),
    ];
    this.child = spawn(
      'nsenter',
      [
        `--net=/run/netns/${network}`,
        ...['unshare', '--pid', '--fork', '--kill-child', '--mount', '--propagation', 'private'],
        ...['/bin/sh', '-euc', lines.join('\n')],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (piece) => (this.output += String(piece)));
    }
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** 128 and more where a signal ended it. */
  get exitCode(): number {
    return this.child.exitCode ?? 137;
  }

  /** Process 1 as this machine numbers it; what waits for it passes no signal on. */
  private get first(): number | undefined {
    const { pid } = this.child;
    try {
      const [first = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
      return first === '' ? undefined : Number(first);
    } catch {
      return undefined;
    }
  }

  /** To process 1; SIGSTOP and SIGCONT to it alone too, which is enough for a service of one process. */
  signal(signal: NodeJS.Signals): void {
    const { first } = this;
    if (first === undefined || this.hasEnded) return;
    try {
      process.kill(first, signal);
    } catch {
      // It has just ended.
    }
  }

  /** Runs a command in the container. @returns whether it ended well in that time */
  async exec(command: readonly string[], timeoutMs: number): Promise<boolean> {
    const { first } = this;
    if (first === undefined) return false;
    const { environment, user, workdir } = this.options;
    const [uid, gid] = user.split(':');
    const child = spawn(
      'nsenter',
      [
        ...['--target', String(first), '--mount', '--net', '--pid', '--root'],
        ...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--bounding-set=-all', '--no-new-privs'],
        ...['env', '-i', '-C', workdir, ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
        ...command,
      ],
      { stdio: 'ignore', timeout: timeoutMs, killSignal: 'SIGKILL' },
    );
    await once(child, 'close');
    return child.exitCode === 0;
  }

  /** Sends SIGTERM and, where it is still there after that time, SIGKILL to all of it. Resolves at its end. */
  async end(graceSeconds: number): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.child, 'exit');
    this.signal('SIGTERM');
    const abort = new AbortController();
    const patience = pause(graceSeconds * 1_000, 'late', { signal: abort.signal }).catch(() => 'ended');
    if ((await Promise.race([gone, patience])) === 'late') this.kill();
    await gone;
    abort.abort();
  }

  /** Ends all of it at once. */
  kill(): void {
    // Process 1 ends with what waits for it.
    this.child.kill('SIGKILL');
  }
}

function readOnlyLine(path: string): string {
  return `mount -o remount,bind,ro ${quote(path)}`;
}
