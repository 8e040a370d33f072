import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { ATTEMPTS, changed, networkProblem, unreachable, type HubClient, type RepositoryFile } from './hub.client.js';
import { HubError } from './hub.error.js';
import type { HubSettings } from './hub.settings.js';
import type { ModelReference } from './model.reference.js';

export interface BlobDownload {
  readonly client: HubClient;
  readonly settings: HubSettings;
  readonly reference: ModelReference;
  readonly commit: string;
  readonly file: RepositoryFile;
  /** Where the blob goes. */
  readonly blobPath: string;
  readonly signal: AbortSignal;
  /** Told by how many bytes more, or fewer, of the file are there. */
  readonly onBytes: (change: number) => void;
}

/** Where a blob grows. What an earlier pull left there is continued. */
export function incompletePath(blobPath: string): string {
  return `${blobPath}.incomplete`;
}

/**
 * Fetches one file to its place, whole and of the right hash, or not at all. A transfer that breaks is continued where it
 * broke; one that turns out wrong is done once more from the beginning.
 * @throws HubError
 */
export async function downloadBlob(download: BlobDownload): Promise<void> {
  const { file, blobPath, reference, signal, onBytes } = download;
  const path = incompletePath(blobPath);
  for (const last of [false, true]) {
    try {
      await complete(download, path);
      if (await isRight(path, file, signal)) {
        await rename(path, blobPath);
        return;
      }
    } catch (error) {
      // What the server said of the file's length may be of a file that is being replaced there.
      if (last || !(error instanceof HubError && error.code === 'changed')) throw error;
    }
    onBytes(-(await sizeOf(path)));
    await rm(path, { force: true });
  }
  throw changed(reference, file.path);
}

/** Makes the file as long as it must be. */
async function complete(download: BlobDownload, path: string): Promise<void> {
  const { client, settings, reference, file, signal } = download;
  const target = await open(path, 'a');
  try {
    for (let failures = 0; ;) {
      const before = (await target.stat()).size;
      if (before >= file.size) break;
      try {
        await transfer(download, target, before);
      } catch (error) {
        if (error instanceof HubError || signal.aborted || isLocal(error)) throw error;
        // An attempt that brought something is none in vain, however often the line breaks.
        failures = (await target.stat()).size > before ? 1 : failures + 1;
        if (failures > ATTEMPTS) throw unreachable(reference, settings, `${file.path}: ${networkProblem(error)}`);
        await client.pause(failures);
      }
    }
    await target.sync().catch(() => undefined);
  } finally {
    await target.close();
  }
}

async function transfer(
  { client, reference, commit, file, onBytes }: BlobDownload,
  target: FileHandle,
  have: number,
): Promise<void> {
  const part = await client.file(reference, commit, file, have);
  if (part.from < have) {
    await target.truncate(part.from);
    onBytes(part.from - have);
  }
  let at = part.from;
  for await (const chunk of part.body) {
    if (at + chunk.byteLength > file.size) throw changed(reference, file.path);
    await target.appendFile(chunk);
    at += chunk.byteLength;
    onBytes(chunk.byteLength);
  }
  if (at < file.size) throw new Error(`the transfer ended ${file.size - at} bytes early`);
}

/** Reads back what was written: what an earlier process left and what the disk made of it is checked as well. */
async function isRight(path: string, { size, etag }: RepositoryFile, signal: AbortSignal): Promise<boolean> {
  if ((await sizeOf(path)) !== size) return false;
  const hash = etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) hash.update(chunk as Buffer);
  return hash.digest('hex') === etag;
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** Errors of this machine's file system, which no further attempt mends. */
function isLocal(error: unknown): boolean {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall === 'write' || syscall === 'open' || syscall === 'ftruncate' || syscall === 'fstat';
}
