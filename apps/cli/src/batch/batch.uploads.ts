import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { FileObject } from '@madakv/contracts';
import { fileProblem } from '@madakv/requests';
import type { ApiClient } from '../api/api.client.js';
import { ApiError } from '../api/api.errors.js';
import type { CommandIo } from '../command.io.js';
import { Progress } from '../terminal/progress.js';
import type { WorkDocument } from './batch.work.js';
import { fileReader, PARTS_ABOVE_BYTES, uploadInParts, type PartsMemory } from './part.uploads.js';

/** Calls at a time. */
const AT_ONCE = 4;

/** A batch runs for a day at most; what a run that is never taken up again has uploaded goes by itself after two. */
export const EXPIRY_S = 2 * 24 * 3_600;

/** Statuses of uploads that say something about the document, not about the server or the caller. */
const REFUSALS = new Set([400, 413, 415, 422]);

/** What became of a document: its file's id, or why the server does not take it, as `code: message`. */
export type Uploaded = { readonly id: string } | { readonly problem: string };

/**
 * Uploads documents and tells of each as it is done.
 * @param expiring whether they go by themselves when nobody deletes them
 * @param parts what has arrived of large ones
 * @throws what the client throws when it is not the document that is refused
 */
export async function uploadDocuments(
  client: ApiClient,
  documents: ReadonlyMap<string, WorkDocument>,
  expiring: boolean,
  parts: PartsMemory,
  onDone: (sha256: string, uploaded: Uploaded) => void,
  { stderr }: Pick<CommandIo, 'stderr'>,
): Promise<void> {
  const progress = new Progress(stderr, 'uploading documents');
  let done = 0;
  try {
    await eachOf(documents, async ([sha256, document]) => {
      onDone(sha256, await uploadDocument(client, document, sha256, expiring, parts));
      progress.update(++done, documents.size);
    });
  } finally {
    progress.clear();
  }
}

/** @returns how many could not be deleted; those that are gone already count as deleted */
export async function deleteFiles(client: ApiClient, ids: Iterable<string>): Promise<number> {
  let left = 0;
  await eachOf(ids, async (id) => {
    await client.deleteFile(id).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.status === 404)) left++;
    });
  });
  return left;
}

async function uploadDocument(
  client: ApiClient,
  { path, name }: WorkDocument,
  sha256: string,
  expiring: boolean,
  parts: PartsMemory,
): Promise<Uploaded> {
  const filename = basename(path);
  const purpose = 'user_data' as const;
  const expiry = expiring ? { expiresAfterS: EXPIRY_S } : {};
  let upload: () => Promise<FileObject>;
  try {
    const { size: bytes } = await stat(path);
    if (bytes > PARTS_ABOVE_BYTES) {
      const file = { sha256, bytes, filename, purpose, ...expiry, read: fileReader(path) };
      upload = () => uploadInParts(client, file, parts);
    } else {
      const content = new Blob([await readFile(path)]);
      upload = () => client.uploadFile(content, filename, purpose, expiry);
    }
  } catch (error) {
    return { problem: `invalid_document: ${name}: ${fileProblem(error)}` };
  }
  try {
    return { id: (await upload()).id };
  } catch (error) {
    if (!(error instanceof ApiError && REFUSALS.has(error.status))) throw error;
    const named = error.said.includes(name) ? error.said : `${name}: ${error.said}`;
    return { problem: `${error.code ?? `status ${error.status}`}: ${named}` };
  }
}

async function eachOf<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
