import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { HubError } from './hub.error.js';

export interface PullLockOptions {
  readonly signal?: AbortSignal;
  /** Told once, when another process holds the lock. */
  readonly onWait?: () => void;
  /** The holder touches the lock this often, in milliseconds. */
  readonly beatMs?: number;
  /** A lock that nobody touched for this long was left by a process that died. Many beats: the holder's machine may be busy. */
  readonly deadMs?: number;
}

/** What file systems without hard links say: FAT, many shares. There the lock is a copy, which is as exclusive, and empty for a moment. */
const WITHOUT_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

const BEAT_MS = 2_000;
const DEAD_MS = 20_000;
const LOOK_MS = 200;

/**
 * Runs `work` while this process holds the lock at `path`, on one machine or over a shared folder. The lock is a file with a
 * name of its holder in it, which touches it while it lives. Others watch that by their own clock, so no clocks need to agree,
 * nor do process ids mean anything (containers that share a cache have the same ones).
 *
 * Node has no flock(2), which the Python tools take. They and this lock do not see each other; a blob that both pull at once
 * is pulled twice, and put in its place whole by either.
 * @param work is given a signal that is aborted when the lock was lost, because the process stood still for very long
 * @throws HubError `cache_unusable`; the signal's reason
 */
export async function withPullLock<T>(
  path: string,
  options: PullLockOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const holder = randomUUID();
  await take(path, holder, options);
  const lost = new AbortController();
  const beat = setInterval(() => void touch(), options.beatMs ?? BEAT_MS);
  const touch = async (): Promise<void> => {
    if ((await holderOf(path)) === holder) await utimes(path, new Date(), new Date()).catch(() => undefined);
    else
      lost.abort(
        new HubError('lock_lost', `${path}: another process took over, as this one stood still for long. Pull again`),
      );
  };
  try {
    return await work(AbortSignal.any([lost.signal, ...(options.signal === undefined ? [] : [options.signal])]));
  } finally {
    clearInterval(beat);
    if ((await holderOf(path)) === holder) await rm(path, { force: true });
  }
}

async function take(path: string, holder: string, options: PullLockOptions): Promise<void> {
  const { signal, onWait, deadMs = DEAD_MS } = options;
  const draft = `${path}.${holder}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(draft, holder);
  try {
    let seen: { readonly state: string; readonly at: number } | undefined;
    while (!(await linked(draft, path))) {
      if (seen === undefined) onWait?.();
      const state = await stateOf(path);
      if (state === undefined) continue;
      if (seen?.state !== state) seen = { state, at: performance.now() };
      else if (performance.now() - seen.at > deadMs) await clear(path, state, draft);
      await pause(Math.min(LOOK_MS, deadMs / 4), undefined, { signal });
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Takes a dead holder's lock away. Whoever was faster keeps what it has taken since. */
async function clear(path: string, dead: string, draft: string): Promise<void> {
  const aside = `${draft}.dead`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await stateOf(aside)) !== dead) await linked(aside, path);
  await rm(aside, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch(async (error: unknown) => {
      if (!WITHOUT_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      await copyFile(from, to, constants.COPYFILE_EXCL);
    });
    // A link has the age of what it links to.
    await utimes(to, new Date(), new Date());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function stateOf(path: string): Promise<string | undefined> {
  try {
    return `${(await stat(path)).mtimeMs} ${await readFile(path, 'utf8')}`;
  } catch {
    return undefined;
  }
}

async function holderOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
