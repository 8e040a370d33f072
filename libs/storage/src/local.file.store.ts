import { randomUUID } from 'node:crypto';
import { constants, type Dirent, type Stats } from 'node:fs';
import { mkdir, open, readdir, realpath, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { ContentMeter } from './content.meter.js';
import { checkKey, checkPrefix } from './file.key.js';
import type { FileInfo, FileRange, FileSource, FileStore, FileWriter, PutOptions, PutResult } from './file.store.js';
import { PipedFileWriter } from './piped.file.writer.js';
import { readableWithErrors } from './source.errors.js';
import { StorageError, storageFailed } from './storage.error.js';

/** Where files are written before they are there; no key begins with a dot. */
const WORK_FOLDER = '.partial';
/** What is left in it for longer was left by a process that died, in milliseconds. */
const ABANDONED_MS = 24 * 3600 * 1000;
/** Folders that come and go beside a file that is moved there; each attempt takes well under a millisecond. */
const MOVE_ATTEMPTS = 100;
/** What a system says when a file stands where a folder should, or the other way round. */
const TAKEN = new Set(['EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY']);

/**
 * Files in a folder, which several processes may share, on a file system with atomic renames. A key's parts are folders
 * and a file, so one key cannot be another's folder (`a` and `a/b`).
 */
export class LocalFileStore implements FileStore {
  private constructor(
    /** Without symbolic links. */
    private readonly root: string,
  ) {}

  /** Makes the folder where it is missing, and clears what dead processes left in it. */
  static async open(folder: string): Promise<LocalFileStore> {
    try {
      const work = join(resolve(folder), WORK_FOLDER);
      await mkdir(work, { recursive: true });
      for (const name of await readdir(work)) await removeAbandoned(join(work, name));
      return new LocalFileStore(await realpath(folder));
    } catch (error) {
      throw storageFailed(`opening the folder ${folder}`, error);
    }
  }

  async put(key: string, source: FileSource, options: PutOptions = {}): Promise<PutResult> {
    const path = this.pathOf(key);
    const partial = join(this.root, WORK_FOLDER, randomUUID());
    const meter = new ContentMeter(source, options);
    const file = await this.attempt(key, () => open(partial, 'wx', 0o600));
    try {
      try {
        for await (const piece of meter.content()) await this.attempt(key, () => writeAll(file, piece));
        await this.attempt(key, () => file.sync());
      } finally {
        await file.close();
      }
      await this.attempt(key, () => this.move(partial, path));
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    return meter.result();
  }

  createWriter(key: string, options?: PutOptions): FileWriter {
    return new PipedFileWriter(this, checkKey(key), options);
  }

  async get(key: string, range?: FileRange): Promise<Readable> {
    const path = this.pathOf(key);
    const file = await this.openInside(key, path);
    const found = await file.stat();
    if (!found.isFile()) {
      await file.close();
      throw new StorageError('not_found', `there is no file ${key}`);
    }
    const { size } = found;
    const start = range?.start ?? 0;
    const end = Math.min(size, start + (range?.length ?? size));
    if (start > size || start < 0 || end < start) {
      await file.close();
      throw new StorageError('bad_range', `${key} has ${size} bytes; byte ${start} and on were asked for`);
    }
    if (start === end) {
      await file.close();
      return Readable.from([]);
    }
    const source = file.createReadStream({ start, end: end - 1 });
    return readableWithErrors(source, (error) => storageFailed(`reading ${key}`, error));
  }

  async head(key: string): Promise<FileInfo | undefined> {
    const path = this.pathOf(key);
    try {
      await this.mustBeInside(dirname(path));
      const found = await stat(path);
      return found.isFile() ? info(key, found) : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw storageFailed(`reading ${key}`, error);
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.pathOf(key);
    try {
      await this.mustBeInside(dirname(path));
      await rm(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw storageFailed(`deleting ${key}`, error);
    }
    // Folders without files are not there for a bucket either.
    for (let folder = dirname(path); folder !== this.root; folder = dirname(folder)) {
      const emptied = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!emptied) return;
    }
  }

  list(prefix: string): AsyncIterable<FileInfo> {
    return this.walk('', checkPrefix(prefix));
  }

  async check(): Promise<void> {
    const probe = join(this.root, WORK_FOLDER, randomUUID());
    try {
      await (await open(probe, 'wx', 0o600)).close();
      await rm(probe);
    } catch (error) {
      throw storageFailed(`writing to the folder ${this.root}`, error);
    }
  }

  private async *walk(folder: string, prefix: string): AsyncGenerator<FileInfo, void, undefined> {
    const entries = await readdir(join(this.root, folder), { withFileTypes: true }).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw storageFailed(`listing ${folder}`, error);
    });
    // With its slash a folder sorts among files as its files' keys do.
    const names = entries
      .map(keyPart)
      .filter((name) => name !== undefined)
      .sort();
    for (const name of names) {
      const key = folder + name;
      if (name.endsWith('/')) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.walk(key, prefix);
      } else if (key.startsWith(prefix)) {
        const found = await this.head(key);
        if (found !== undefined) yield found;
      }
    }
  }

  private pathOf(key: string): string {
    return join(this.root, ...checkKey(key).split('/'));
  }

  private async openInside(key: string, path: string): Promise<FileHandle> {
    try {
      await this.mustBeInside(dirname(path));
      return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (isMissing(error)) throw new StorageError('not_found', `there is no file ${key}`, { cause: error });
      throw storageFailed(`reading ${key}`, error);
    }
  }

  /** A symbolic link in the folder must not lead out of it. */
  private async mustBeInside(folder: string): Promise<void> {
    const real = await realpath(folder);
    if (real === this.root || real.startsWith(this.root + sep)) return;
    throw new StorageError('bad_key', 'the key leads out of the folder');
  }

  private async move(partial: string, path: string): Promise<void> {
    const folder = dirname(path);
    for (let attempt = 1; ; attempt++) {
      try {
        await mkdir(folder, { recursive: true });
        await this.mustBeInside(folder);
        await rename(partial, path);
        break;
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        // A folder that another key's deletion takes away while it is made is said to be no folder.
        const taken = TAKEN.has(code);
        if (taken && (await this.isTaken(path))) {
          throw new StorageError('bad_key', 'the key is the folder of another, or another its folder', {
            cause: error,
          });
        }
        if ((code !== 'ENOENT' && !taken) || attempt === MOVE_ATTEMPTS) throw error;
      }
    }
    await syncFolder(folder);
  }

  /** Whether a file stands where one of the path's folders should, or a folder where its file should. */
  private async isTaken(path: string): Promise<boolean> {
    if ((await statOf(path))?.isDirectory() === true) return true;
    for (let folder = dirname(path); folder.length > this.root.length; folder = dirname(folder)) {
      if ((await statOf(folder))?.isDirectory() === false) return true;
    }
    return false;
  }

  private async attempt<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      throw storageFailed(`storing ${key}`, error);
    }
  }
}

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length;) done += (await file.write(piece, done)).bytesWritten;
}

/** A rename survives a power cut once its folder is written. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function keyPart(entry: Dirent): string | undefined {
  if (entry.name.startsWith('.')) return undefined;
  if (entry.isDirectory()) return `${entry.name}/`;
  return entry.isFile() ? entry.name : undefined;
}

function info(key: string, { size, mtime }: Stats): FileInfo {
  return { key, bytes: size, modifiedAt: mtime };
}

/** Another process may be writing it, and move it away at any moment. */
async function removeAbandoned(path: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
