import { existsSync, readFileSync, statSync } from 'node:fs';
import { copyFile, mkdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import { isCommit, type ModelReference } from './model.reference.js';
import { CONFIG, INDEX, shardsOf, SINGLE } from './needed.files.js';

/**
 * One repository in the cache of the Python tools: `blobs/` by etag, `snapshots/COMMIT/` with links to them, `refs/` with the
 * commit that a branch or tag was when it was pulled.
 * @see https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
export class SnapshotStore {
  readonly dir: string;

  constructor(
    private readonly cacheDir: string,
    readonly repo: string,
  ) {
    this.dir = join(cacheDir, folderName(repo));
  }

  get lockPath(): string {
    return join(this.cacheDir, '.locks', folderName(this.repo), 'madakv.lock');
  }

  blobPath(etag: string): string {
    return join(this.dir, 'blobs', etag);
  }

  /** A blob of the right size is there. */
  hasBlob(etag: string, size: number): boolean {
    return sizeOf(this.blobPath(etag)) === size;
  }

  snapshotDir(commit: string): string {
    return join(this.dir, 'snapshots', commit);
  }

  /** The commit that a revision was when it was last pulled. */
  commitOf(revision: string): string | undefined {
    if (isCommit(revision)) return revision;
    try {
      const commit = readFileSync(join(this.dir, 'refs', revision), 'utf8').trim();
      return isCommit(commit) ? commit : undefined;
    } catch {
      return undefined;
    }
  }

  async prepare(commit: string): Promise<void> {
    await mkdir(join(this.dir, 'blobs'), { recursive: true });
    await mkdir(this.snapshotDir(commit), { recursive: true });
  }

  /** Puts a blob into a snapshot under its name. */
  async link(commit: string, path: string, etag: string): Promise<void> {
    const pointer = join(this.snapshotDir(commit), path);
    const target = relative(dirname(pointer), this.blobPath(etag));
    if ((await readlink(pointer).catch(() => undefined)) === target) return;
    const draft = `${pointer}.${randomUUID().slice(0, 8)}`;
    try {
      await symlink(target, draft);
    } catch (error) {
      // Some file systems know no links; the Python tools copy there as well.
      if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      await copyFile(this.blobPath(etag), draft);
    }
    await rename(draft, pointer);
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision)) return;
    const path = join(this.dir, 'refs', revision);
    const draft = `${path}.${randomUUID().slice(0, 8)}.tmp`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(draft, commit);
    await rename(draft, path);
  }

  /** Takes back what a pull began that came to nothing. */
  async discard(commit: string): Promise<void> {
    await rm(this.snapshotDir(commit), { recursive: true, force: true });
  }
}

/** `org/name` as the cache writes it. */
export function folderName(repo: string): string {
  return `models--${repo.replace('/', '--')}`;
}

/**
 * A snapshot that a model can be opened from: configuration, tokenizer and all weights are there. A pull links weights last,
 * so where they are, all else is; of the Python tools' snapshots the same is looked at.
 */
export function isComplete(snapshot: string): boolean {
  const has = (file: string): boolean => existsSync(join(snapshot, file));
  if (!has(CONFIG) || !has('tokenizer.json')) return false;
  if (has(SINGLE)) return true;
  if (!has(INDEX)) return false;
  try {
    return shardsOf(JSON.parse(readFileSync(join(snapshot, INDEX), 'utf8')), INDEX).every(has);
  } catch {
    return false;
  }
}

/** Folder of a model that is in the cache, whole; undefined where it is not. */
export function cachedSnapshot(cacheDir: string, { repo, revision }: ModelReference): string | undefined {
  const store = new SnapshotStore(cacheDir, repo);
  const commit = store.commitOf(revision);
  if (commit === undefined) return undefined;
  const dir = store.snapshotDir(commit);
  return isComplete(dir) ? dir : undefined;
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
