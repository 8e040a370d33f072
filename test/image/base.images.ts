import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { networkMounts, run } from './chroot.js';

/** The series of Debian that the Dockerfile's base images are made from. */
const SUITE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';
/** What Debian's slim images leave out. */
const NOT_SLIM = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/info',
  'usr/share/locale',
  'var/cache/apt',
  'var/lib/apt/lists',
];

/** Outside the tree, kept from run to run. */
export const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'madakv', 'image');

/** Why images cannot be built here; undefined where they can. */
export function whyNot(): string | undefined {
  const works = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root, for chroot and mounts';
  if (!works('unshare', '--mount', 'true')) return 'needs the right to make mount namespaces';
  if (existsSync(debianFolder())) return undefined;
  if (!works('sh', '-c', 'command -v debootstrap')) return 'needs debootstrap: apt-get install debootstrap';
  if (!works('debootstrap', '--version')) return 'debootstrap does not run';
  return undefined;
}

/**
 * Stand-ins for the base images, as layers: debootstrap's smallest Debian without what slim images leave out, and above it
 * this machine's Node and npm where node:20-bookworm-slim has its own. Made once, the first from Debian's mirror.
 */
export async function baseImages(): Promise<Readonly<Partial<Record<string, readonly string[]>>>> {
  const debian = debianFolder();
  await once(debian, async (folder) => {
    await run(['debootstrap', '--variant=minbase', '--include=ca-certificates', SUITE, folder, MIRROR]);
    for (const path of NOT_SLIM) rmSync(join(folder, path), { recursive: true, force: true });
    // Places for what a build mounts, or it would be in a layer.
    for (const { target } of networkMounts()) {
      mkdirSync(dirname(join(folder, target)), { recursive: true });
      appendFileSync(join(folder, target), '');
    }
  });
  const node = join(CACHE, `node-${process.version}`);
  await once(node, (folder) => {
    const npm = join(dirname(realpathSync(npmProgram())), '..');
    mkdirSync(join(folder, 'usr/local/bin'), { recursive: true });
    cpSync(realpathSync(process.execPath), join(folder, 'usr/local/bin/node'));
    cpSync(npm, join(folder, 'usr/local/lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true });
    for (const name of ['npm', 'npx']) {
      symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(folder, 'usr/local/bin', name));
    }
    return Promise.resolve();
  });
  return { [`debian:${SUITE}-slim`]: [debian], [`node:20-${SUITE}-slim`]: [debian, node] };
}

/** What stands in for the base images, for who reads the result. */
export function standIn(): string {
  const release = readFileSync(join(debianFolder(), 'etc/debian_version'), 'utf8').trim();
  return `Debian ${release} by debootstrap, Node ${process.version} of this machine`;
}

const debianFolder = (): string => join(CACHE, SUITE);

function npmProgram(): string {
  return spawnSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).stdout.trim();
}

/** A folder that is there whole or not at all. */
async function once(folder: string, make: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  mkdirSync(dirname(folder), { recursive: true });
  const part = mkdtempSync(`${folder}.`);
  try {
    // Its own rights become those of the root.
    chmodSync(part, 0o755);
    await make(part);
    renameSync(part, folder);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
