import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

/** A root folder as a stack of layers, the lowest first. */
export type Layers = readonly string[];

export interface Mount {
  readonly source: string;
  /** Path in the root. */
  readonly target: string;
}

/** Where what is written goes, and an empty folder beside it for the kernel's own use. */
export interface Upper {
  readonly folder: string;
  readonly work: string;
}

export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A line of the shell that mounts layers on the empty folder `at`. Nothing can be written there without `upper`. */
export function overlayLine(layers: Layers, at: string, upper?: Upper): string {
  // Without an upper folder the kernel wants two lower ones; the empty folder hides nothing.
  const lower = [...(upper === undefined ? [at] : []), ...[...layers].reverse()].join(':');
  const options = upper === undefined ? [] : [`upperdir=${upper.folder}`, `workdir=${upper.work}`];
  return `mount -t overlay overlay -o ${quote([`lowerdir=${lower}`, ...options].join(','))} ${quote(at)}`;
}

export function bindLine({ source, target }: Mount, at: string): string {
  return `mount --bind ${quote(source)} ${quote(at + target)}`;
}

/** A command that runs lines of the shell in a mount namespace of its own: every mount ends with its process, however that ends. */
export function inNamespace(lines: readonly string[]): string[] {
  return ['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-euc', lines.join('\n')];
}

export interface ChrootCommand {
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly command: readonly string[];
  /** uid:gid; all rights are given up for good. As root where left out. */
  readonly user?: string;
}

/** Lines of the shell that become a command inside the root at `at`. */
export function chrootLines(at: string, { env, workdir, command, user }: ChrootCommand): string[] {
  const [uid, gid] = user?.split(':') ?? [];
  const rights = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--bounding-set=-all', '--no-new-privs'];
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const without = user === undefined ? [] : ['setpriv', ...rights];
  const words = ['chroot', at, ...without, 'env', '-i', '-C', workdir, ...pairs, ...command];
  return [
    `mount -t proc proc ${quote(`${at}/proc`)}`,
    `mount --rbind /dev ${quote(`${at}/dev`)}`,
    `exec ${words.map(quote).join(' ')}`,
  ];
}

/** What a build needs of this machine to reach a registry: names, and certificates of its own. */
export function networkMounts(): Mount[] {
  const files = ['/etc/resolv.conf', '/etc/hosts', process.env['NODE_EXTRA_CA_CERTS'] ?? ''];
  return files.filter((path) => path !== '' && existsSync(path)).map((path) => ({ source: path, target: path }));
}

export function networkEnvironment(): Record<string, string> {
  const names = [
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'NODE_EXTRA_CA_CERTS',
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Runs a command to its end. @throws Error with the end of its output when it fails */
export async function run([program, ...args]: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = outputOf(child);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`${program} ended with ${code ?? signal}:\n${output().slice(-4_000)}`);
  return output();
}

/** Both streams of a process, as far as they came. */
export function outputOf(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (piece) => (text += String(piece)));
  return () => text;
}
