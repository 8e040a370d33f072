import type { FileObject, FilePurpose } from '@madakv/contracts';
import type { ApiClient } from '../api/api.client.js';
import { ApiError } from '../api/api.errors.js';
import { findServer, type ServerFlags } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { confirmed } from '../terminal/confirmation.js';
import { formatBytes, formatCount } from '@madakv/insight';

export interface RemoveFlags extends ServerFlags {
  readonly all?: true;
  /** Seconds. */
  readonly olderThan?: number;
  readonly purpose?: FilePurpose;
  readonly yes?: true;
  readonly json?: true;
}

/** Some files could not be deleted. */
export class FilesLeftError extends Error {
  override readonly name = 'FilesLeftError';
}

/**
 * Deletes files by id, or those that the filters leave, after asking.
 * @throws UsageError when neither ids nor filters are given, or both; FilesLeftError when some could not be deleted
 */
export async function removeFiles(ids: readonly string[], flags: RemoveFlags, io: CommandIo): Promise<void> {
  const { all, olderThan, purpose } = flags;
  const filtered = all === true || olderThan !== undefined || purpose !== undefined;
  if (ids.length > 0 && filtered) throw new UsageError('name files by id, or choose them with flags, not both');
  if (ids.length === 0 && !filtered)
    throw new UsageError('nothing to delete: give ids, --older-than, --purpose or --all');
  if (all === true && (olderThan !== undefined || purpose !== undefined)) {
    throw new UsageError('--all is every file; leave out --older-than and --purpose, or leave out --all');
  }
  const { client } = findServer(flags, io);
  if (!filtered) {
    await removeAll(ids, client, flags, io);
    return;
  }
  const chosen = await chooseFiles(client, flags);
  if (chosen.length === 0) {
    io.stderr.write('no such files\n');
    return;
  }
  const bytes = chosen.reduce((sum, file) => sum + file.bytes, 0);
  const what = `${counted(chosen.length)} of ${formatBytes(bytes)}`;
  if (flags.yes !== true && !(await confirmed(`Delete ${what} at ${client.url}?`, io))) {
    io.stderr.write('nothing was deleted\n');
    return;
  }
  await removeAll(
    chosen.map(({ id }) => id),
    client,
    flags,
    io,
  );
}

async function chooseFiles(client: ApiClient, { olderThan, purpose }: RemoveFlags): Promise<FileObject[]> {
  const before = olderThan === undefined ? Infinity : Date.now() / 1000 - olderThan;
  const chosen: FileObject[] = [];
  // Listed as a whole before any is deleted: pages begin after a file that has to be there.
  for await (const file of client.files(purpose)) if (file.created_at < before) chosen.push(file);
  return chosen;
}

async function removeAll(ids: readonly string[], client: ApiClient, flags: RemoveFlags, io: CommandIo): Promise<void> {
  let left = 0;
  for (const id of ids) {
    try {
      await client.deleteFile(id);
      if (flags.json === true) io.stdout.write(`${JSON.stringify({ id, deleted: true })}\n`);
    } catch (error) {
      // Gone meanwhile, or read by a batch: all others go all the same.
      if (!(error instanceof ApiError && (error.status === 404 || error.status === 409))) throw error;
      left++;
      io.stderr.write(`${id}: ${error.message}\n`);
    }
  }
  if (flags.json !== true) io.stdout.write(`${counted(ids.length - left)} deleted\n`);
  if (left > 0) throw new FilesLeftError(`${counted(left)} could not be deleted`);
}

function counted(files: number): string {
  return files === 1 ? '1 file' : `${formatCount(files)} files`;
}
