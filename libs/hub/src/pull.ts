import { readFileSync, statSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { downloadBlob, incompletePath } from './blob.download.js';
import { HubClient, type HubClientOptions, type RepositoryFile } from './hub.client.js';
import { HubError } from './hub.error.js';
import type { HubSettings } from './hub.settings.js';
import { referenceText, type ModelReference } from './model.reference.js';
import { CONFIG, descriptions, INDEX, weightFiles } from './needed.files.js';
import { withPullLock, type PullLockOptions } from './pull.lock.js';
import { cachedSnapshot, SnapshotStore } from './snapshot.store.js';

/** How far a pull has come, over all files that are needed. */
export interface PullProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface PullOptions extends HubClientOptions, Pick<PullLockOptions, 'beatMs' | 'deadMs'> {
  readonly onProgress?: (progress: PullProgress) => void;
  /**
   * Looks at a snapshot that has its configuration (`config`), and again when it has all but its weights (`descriptions`);
   * throws what is wrong with it, before gigabytes are fetched.
   */
  readonly check?: (dir: string, has: 'config' | 'descriptions') => void;
  /** What is in the cache will do; else the hub is asked what the revision is now. */
  readonly cachedWillDo?: boolean;
  /** Free bytes of the disk that a folder is on. */
  readonly freeBytes?: (dir: string) => Promise<number>;
}

export interface PulledModel {
  /** Snapshot folder, a checkpoint folder as any other. */
  readonly dir: string;
  readonly commit: string;
  /** What was fetched now; the rest was there. */
  readonly fetchedBytes: number;
}

/** Files at a time. More make a home's line no faster, and the hub counts requests. */
const PARALLEL = 4;
/** Of the disk, what stays free. */
const SPARE_BYTES = 64 * 2 ** 20;

/**
 * Brings a model into the cache: the files that a checkpoint needs, and no other formats of it. Concurrent pulls of one
 * repository wait for each other. What is there already is used, whoever brought it.
 * @throws HubError; what `check` throws; the signal's reason
 */
export async function pullModel(
  reference: ModelReference,
  settings: HubSettings,
  options: PullOptions = {},
): Promise<PulledModel> {
  const { cachedWillDo = false, onNote, signal } = options;
  const name = referenceText(reference);
  const cached = (): PulledModel | undefined => {
    const dir = cachedSnapshot(settings.cacheDir, reference);
    return dir === undefined ? undefined : { dir, commit: basename(dir), fetchedBytes: 0 };
  };
  const there = cachedWillDo || settings.offline ? cached() : undefined;
  if (there !== undefined) return there;
  if (settings.offline) {
    throw new HubError(
      'not_cached',
      `${name}: not in ${settings.cacheDir}, and HF_HUB_OFFLINE forbids to fetch it. Unset it for one ` +
        '`madakv models pull`, or copy the folder from a machine that has it',
    );
  }
  const store = new SnapshotStore(settings.cacheDir, reference.repo);
  const lock: PullLockOptions = {
    ...options,
    onWait: () => onNote?.(`another process pulls ${reference.repo}: waiting for it`),
  };
  try {
    await mkdir(settings.cacheDir, { recursive: true });
    return await withPullLock(store.lockPath, lock, async (inner) => {
      // It may have come while the lock was waited for.
      const meanwhile = cachedWillDo ? cached() : undefined;
      return meanwhile ?? (await new Pull(reference, settings, { ...options, signal: inner }, store).run());
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw localProblem(error, name, settings);
  }
}

class Pull {
  private readonly client: HubClient;
  private readonly signal: AbortSignal;
  private readonly failed = new AbortController();
  private doneBytes = 0;
  private totalBytes = 0;
  private fetchedBytes = 0;

  constructor(
    private readonly reference: ModelReference,
    private readonly settings: HubSettings,
    private readonly options: PullOptions & { readonly signal: AbortSignal },
    private readonly store: SnapshotStore,
  ) {
    this.signal = AbortSignal.any([options.signal, this.failed.signal]);
    this.client = new HubClient(settings, { ...options, signal: this.signal });
  }

  async run(): Promise<PulledModel> {
    try {
      const { commit, files } = await this.client.repository(this.reference);
      const small = descriptions(this.reference, files);
      const dir = this.store.snapshotDir(commit);
      const isNew = statSync(dir, { throwIfNoEntry: false }) === undefined;
      await this.store.prepare(commit);
      try {
        await this.fetchAll(
          commit,
          small.filter(({ path }) => path === CONFIG),
        );
        this.options.check?.(dir, 'config');
        await this.fetchAll(commit, small);
        this.options.check?.(dir, 'descriptions');
      } catch (error) {
        if (isNew) await this.store.discard(commit);
        throw error;
      }
      const weights = weightFiles(this.reference, files, () => parsed(join(dir, INDEX)));
      await this.requireSpace(weights);
      await this.fetchAll(commit, weights);
      await this.store.writeRef(this.reference.revision, commit);
      return { dir, commit, fetchedBytes: this.fetchedBytes };
    } finally {
      await this.client.close();
    }
  }

  /** Some files at a time; the first that fails ends the others. */
  private async fetchAll(commit: string, files: readonly RepositoryFile[]): Promise<void> {
    const rest = byContent(files);
    this.totalBytes = rest.reduce((sum, [{ size }]) => sum + size, 0);
    this.doneBytes = rest.reduce((sum, [file]) => sum + file.size - this.missingBytes(file), 0);
    const fetchSome = async (): Promise<void> => {
      for (let alike = rest.shift(); alike !== undefined; alike = rest.shift()) await this.fetchOne(commit, alike);
    };
    const workers = Array.from({ length: Math.min(PARALLEL, rest.length) }, fetchSome);
    try {
      await Promise.all(workers);
    } catch (error) {
      this.failed.abort(error);
      await Promise.allSettled(workers);
      throw error;
    }
  }

  /** @param alike files of one content, which is fetched once */
  private async fetchOne(commit: string, alike: readonly RepositoryFile[]): Promise<void> {
    const { store } = this;
    const [file] = alike;
    if (!store.hasBlob(file.etag, file.size)) {
      await downloadBlob({
        client: this.client,
        settings: this.settings,
        reference: this.reference,
        commit,
        file,
        blobPath: store.blobPath(file.etag),
        signal: this.signal,
        onBytes: (change) => {
          this.fetchedBytes += Math.max(0, change);
          this.doneBytes += change;
          this.options.onProgress?.({ doneBytes: this.doneBytes, totalBytes: this.totalBytes });
        },
      });
    }
    for (const { path, etag } of alike) await store.link(commit, path, etag);
  }

  /** Of a file, what is still to be fetched. */
  private missingBytes({ etag, size }: RepositoryFile): number {
    if (this.store.hasBlob(etag, size)) return 0;
    const began = statSync(incompletePath(this.store.blobPath(etag)), { throwIfNoEntry: false })?.size ?? 0;
    return size - Math.min(size, began);
  }

  private async requireSpace(files: readonly RepositoryFile[]): Promise<void> {
    const { freeBytes = freeBytesOf } = this.options;
    const needed = byContent(files).reduce((sum, [file]) => sum + this.missingBytes(file), 0);
    if (needed === 0) return;
    const free = await freeBytes(this.store.dir);
    if (free >= needed + SPARE_BYTES) return;
    throw noSpace(
      referenceText(this.reference),
      this.settings,
      `${gib(needed)} are to be fetched and ${gib(SPARE_BYTES)} stay free, but the disk has only ${gib(free)}`,
    );
  }
}

/** Files that are the same byte for byte together: the cache keeps one blob of them. */
function byContent(files: readonly RepositoryFile[]): RepositoryFile[][] {
  const found = new Map<string, RepositoryFile[]>();
  for (const file of files) found.set(file.etag, [...(found.get(file.etag) ?? []), file]);
  return [...found.values()];
}

async function freeBytesOf(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

function noSpace(name: string, { cacheDir }: HubSettings, what: string): HubError {
  return new HubError(
    'no_space',
    `${name}: no room in ${cacheDir}: ${what}. Remove models (madakv models list, madakv models rm), or set HF_HUB_CACHE to a ` +
      'folder on a larger disk; what came so far is kept',
  );
}

/** A disk's own words say neither which model nor what to do. */
function localProblem(error: unknown, name: string, settings: HubSettings): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return noSpace(name, settings, 'the disk is full');
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR') {
    const text = `${name}: ${settings.cacheDir} cannot be written to: ${message}. See HF_HUB_CACHE and HF_HOME`;
    return new HubError('cache_unusable', text, { cause: error });
  }
  return error;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

function parsed(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
