import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { HubSettings } from './hub.settings.js';
import { CONFIG } from './needed.files.js';
import { withPullLock, type PullLockOptions } from './pull.lock.js';
import { isComplete, SnapshotStore } from './snapshot.store.js';

/** A snapshot in the cache, whoever brought it. */
export interface CachedModel {
  readonly repo: string;
  readonly commit: string;
  /** Branches and tags that were this commit when they were pulled; none of a commit that a later pull left behind. */
  readonly revisions: readonly string[];
  readonly dir: string;
  /** Of its files, and of what was begun where it is not complete. Snapshots of one repository share files that did not change. */
  readonly bytes: number;
  /** A model can be opened from it. */
  readonly complete: boolean;
  /** `model_type` of its config.json, where there is one. */
  readonly modelType?: string;
  /** Milliseconds since 1970, as far as the file system tells (it may do so by the day). */
  readonly lastUsedMs: number;
}

const PREFIX = 'models--';

/** All models of the cache, by name. What is no folder of this layout is left out. */
export function cachedModels({ cacheDir }: Pick<HubSettings, 'cacheDir'>): CachedModel[] {
  return foldersOf(cacheDir)
    .filter((name) => name.startsWith(PREFIX) && name.split('--').length === 3)
    .sort()
    .flatMap((name) => {
      const [, org, model] = name.split('--');
      const store = new SnapshotStore(cacheDir, `${org}/${model}`);
      const refs = refsOf(store);
      return foldersOf(join(store.dir, 'snapshots'))
        .sort()
        .map((commit) => snapshot(store, commit, refs));
    });
}

/** What would be freed if the snapshots were removed: what others of their repositories share stays. */
export function freedBytes(settings: HubSettings, models: readonly CachedModel[]): number {
  const gone = new Set(models.map(({ dir }) => dir));
  const repos = new Set(models.map(({ repo }) => repo));
  let bytes = 0;
  for (const repo of repos) {
    const store = new SnapshotStore(settings.cacheDir, repo);
    const kept = keptFiles(store, (dir) => !gone.has(dir));
    const files = new Map(models.filter((model) => model.repo === repo).flatMap(({ dir }) => [...targetsOf(dir)]));
    for (const [path, size] of files) if (!kept.has(path)) bytes += size;
    if (foldersOf(join(store.dir, 'snapshots')).every((commit) => gone.has(store.snapshotDir(commit)))) {
      bytes += begunBytes(store);
    }
  }
  return bytes;
}

/**
 * Removes a snapshot with what only it uses: refs to it, blobs, and with the last snapshot the repository's folder. Files that
 * this layout does not know are left, and the folder with them.
 */
export async function removeCachedModel(
  settings: HubSettings,
  { repo, commit }: Pick<CachedModel, 'repo' | 'commit'>,
  options: PullLockOptions = {},
): Promise<void> {
  const store = new SnapshotStore(settings.cacheDir, repo);
  await withPullLock(store.lockPath, options, async () => {
    for (const [revision, target] of refsOf(store)) {
      if (target === commit) await rm(join(store.dir, 'refs', revision), { force: true });
    }
    await rm(store.snapshotDir(commit), { recursive: true, force: true });
    await rm(join(store.dir, '.no_exist', commit), { recursive: true, force: true });
    await rm(join(store.dir, 'trees', `${commit}.json`), { force: true });
    const kept = keptFiles(store, () => true);
    const last = foldersOf(join(store.dir, 'snapshots')).length === 0;
    const blobs = join(store.dir, 'blobs');
    for (const name of namesOf(blobs)) {
      const path = join(blobs, name);
      // What another pull of this repository began is continued by the next one, unless nothing is left of it at all.
      const begun = name.endsWith('.incomplete');
      if (last || (!begun && !kept.has(realPath(path) ?? path))) await rm(path, { force: true });
    }
    if (last) await removeEmptied(store.dir);
  });
}

async function removeEmptied(dir: string): Promise<void> {
  await rm(join(dir, 'refs'), { recursive: true, force: true });
  await rm(join(dir, '.no_exist'), { recursive: true, force: true });
  for (const folder of ['trees', 'snapshots', 'blobs', '.']) await rmdir(join(dir, folder)).catch(() => undefined);
}

function snapshot(store: SnapshotStore, commit: string, refs: ReadonlyMap<string, string>): CachedModel {
  const dir = store.snapshotDir(commit);
  const files = targetsOf(dir);
  const modelType = modelTypeOf(dir);
  const complete = isComplete(dir);
  return {
    repo: store.repo,
    commit,
    revisions: [...refs].filter(([, target]) => target === commit).map(([revision]) => revision),
    dir,
    bytes: [...files.values()].reduce((sum, size) => sum + size, 0) + (complete ? 0 : begunBytes(store)),
    complete,
    ...(modelType === undefined ? {} : { modelType }),
    lastUsedMs: lastUse([...files.keys()]),
  };
}

function modelTypeOf(dir: string): string | undefined {
  try {
    const config = JSON.parse(readFileSync(join(dir, CONFIG), 'utf8')) as { model_type?: unknown } | null;
    return typeof config?.model_type === 'string' ? config.model_type : undefined;
  } catch {
    return undefined;
  }
}

/** Reading config.json for this list is no use of the model: the newest look at its largest files counts. */
function lastUse(files: readonly string[]): number {
  const stats = files.map((file) => statSync(file)).sort((a, b) => b.size - a.size);
  const large = stats.slice(0, Math.max(1, stats.length >> 1));
  return large.reduce((latest, { atimeMs, mtimeMs }) => Math.max(latest, atimeMs, mtimeMs), 0);
}

function keptFiles(store: SnapshotStore, isKept: (dir: string) => boolean): Set<string> {
  const dirs = foldersOf(join(store.dir, 'snapshots')).map((commit) => store.snapshotDir(commit));
  return new Set(dirs.filter(isKept).flatMap((dir) => [...targetsOf(dir).keys()]));
}

/** Real paths of a snapshot's files, with their sizes. Links that lead nowhere are left out. */
function targetsOf(dir: string): Map<string, number> {
  const targets = new Map<string, number>();
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const path = realPath(join(entry.parentPath, entry.name));
    if (path !== undefined) targets.set(path, statSync(path).size);
  }
  return targets;
}

/** What pulls left that came to no end. */
function begunBytes({ dir }: SnapshotStore): number {
  const blobs = join(dir, 'blobs');
  const begun = namesOf(blobs).filter((name) => name.endsWith('.incomplete'));
  return begun.reduce((sum, name) => sum + (statSync(join(blobs, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Branches and tags with their commits; names of branches may have slashes. */
function refsOf({ dir }: SnapshotStore): Map<string, string> {
  const refs = join(dir, 'refs');
  if (!existsSync(refs)) return new Map();
  return new Map(
    readdirSync(refs, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.tmp'))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [relative(refs, path), readFileSync(path, 'utf8').trim()]),
  );
}

/** Real folders only: a link in the cache leads to what is someone else's. */
function foldersOf(dir: string): string[] {
  return namesOf(dir).filter((name) => lstatSync(join(dir, name), { throwIfNoEntry: false })?.isDirectory() === true);
}

function namesOf(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
