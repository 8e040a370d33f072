import { open } from 'node:fs/promises';
import type { FileObject, UploadPurpose } from '@madakv/contracts';
import type { ApiClient } from '../api/api.client.js';
import { ApiError, UnexpectedAnswerError } from '../api/api.errors.js';

/** Larger files are sent in parts, so that a line that breaks costs one of them. In bytes. */
export const PARTS_ABOVE_BYTES = 32 * 1024 ** 2;
export const PART_BYTES = 16 * 1024 ** 2;

/** What of a file has arrived: its first parts. */
export interface SentParts {
  readonly uploadId: string;
  /** Of each part but the last. */
  readonly partBytes: number;
  readonly partIds: readonly string[];
}

/** What was sent of files by the SHA-256 of their content, kept beyond the process. */
export interface PartsMemory {
  find(sha256: string): SentParts | undefined;
  /** @param sent undefined when the file is there */
  keep(sha256: string, sent: SentParts | undefined): void;
}

export interface PartedFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly filename: string;
  readonly purpose: UploadPurpose;
  /** Seconds after which the server deletes it; never by itself without. */
  readonly expiresAfterS?: number;
  readonly read: (start: number, bytes: number) => Promise<Uint8Array>;
}

/**
 * Uploads a file part by part, from where an earlier attempt broke off, as long as the server still has that.
 * @throws what the client throws; what has arrived is remembered
 */
export async function uploadInParts(
  client: ApiClient,
  file: PartedFile,
  memory: PartsMemory,
  partBytes = PART_BYTES,
): Promise<FileObject> {
  const before = memory.find(file.sha256);
  if (before !== undefined) {
    try {
      return await sendRest(client, file, memory, before);
    } catch (error) {
      if (!isOver(error)) throw error;
    }
  }
  const { id: uploadId } = await client.createUpload(file);
  return sendRest(client, file, memory, { uploadId, partBytes, partIds: [] });
}

/** A file on disk, of which a part at a time is read. */
export function fileReader(path: string): PartedFile['read'] {
  return async (start, bytes) => {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  };
}

async function sendRest(
  client: ApiClient,
  { sha256, bytes, read }: PartedFile,
  memory: PartsMemory,
  before: SentParts,
): Promise<FileObject> {
  let sent = before;
  const { uploadId, partBytes } = before;
  memory.keep(sha256, sent);
  for (let start = sent.partIds.length * partBytes; start < bytes; start += partBytes) {
    const content = new Uint8Array(await read(start, Math.min(partBytes, bytes - start)));
    const { id } = await client.addUploadPart(uploadId, new Blob([content]));
    sent = { ...sent, partIds: [...sent.partIds, id] };
    memory.keep(sha256, sent);
  }
  const { file } = await client.completeUpload(uploadId, sent.partIds);
  if (file === null) throw new UnexpectedAnswerError(`the upload ${uploadId} was completed and has no file`);
  memory.keep(sha256, undefined);
  return file;
}

/** Expired, cancelled or unknown by now: it begins anew. */
function isOver(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 409);
}
