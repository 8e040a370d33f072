import { buffer } from 'node:stream/consumers';
import { StorageError, type FileStore } from '@madakv/storage';
import { NOTED_BYTES, notesOf } from './png.notes.js';

/** An encoded image in the FileStore. */
export interface StoredImage {
  readonly key: string;
  /** Pixels, upright. */
  readonly width: number;
  readonly height: number;
}

/** A PNG's signature, and its first chunk up to width and height. */
const HEADER_BYTES = 24;
const PNG_HEADER = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');

export interface StoredPng extends StoredImage {
  /** What was noted in it. */
  readonly notes: readonly string[];
}

/** Size and notes of a PNG, by its first bytes; undefined where there is no such file. @throws StorageError */
export async function storedPng(store: Pick<FileStore, 'get'>, key: string): Promise<StoredPng | undefined> {
  try {
    const header = await buffer(await store.get(key, { start: 0, length: NOTED_BYTES }));
    if (header.length < HEADER_BYTES || !header.subarray(0, PNG_HEADER.length).equals(PNG_HEADER)) return undefined;
    return { key, width: header.readUInt32BE(16), height: header.readUInt32BE(20), notes: notesOf(header) };
  } catch (error) {
    if (error instanceof StorageError && error.code === 'not_found') return undefined;
    throw error;
  }
}

/** A request may wait for a day after its preparation, and files older than two days are swept: see batch.settings.ts. */
const RENEW_AFTER_MS = 12 * 3_600_000;

/**
 * Whether a file is there; one that would soon be swept is written anew, so that it outlives the request that found it.
 * @throws StorageError; the signal's reason when aborted
 */
export async function isKept(
  store: Pick<FileStore, 'get' | 'head' | 'put'>,
  key: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const file = await store.head(key);
  if (file === undefined) return false;
  if (Date.now() - file.modifiedAt.getTime() > RENEW_AFTER_MS) {
    await store.put(key, await buffer(await store.get(key)), signal === undefined ? {} : { signal });
  }
  return true;
}
