import type { Readable } from 'node:stream';

export type FileSource = Uint8Array | AsyncIterable<Uint8Array>;

export interface PutOptions {
  /** Largest content; a longer one is refused as soon as it shows, in bytes. */
  maxBytes?: number;
  signal?: AbortSignal;
}

export interface PutResult {
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

export interface FileInfo {
  key: string;
  bytes: number;
  modifiedAt: Date;
}

export interface FileRange {
  /** First byte; may be the file's length, where nothing is left. */
  start: number;
  /** Bytes at most; to the end by default. */
  length?: number;
}

/**
 * Appends to a file that is there once it is committed, and only then. Pieces stand in the order of the calls and are
 * never mixed, whoever calls; a process that dies in between leaves nothing behind that could be taken for a file.
 */
export interface FileWriter {
  /** Returns when there is room for more: wait for it, and memory stays bounded. Text is written as UTF-8. */
  write(piece: Uint8Array | string): Promise<void>;

  /** @throws what `put` throws; then nothing was stored */
  commit(): Promise<PutResult>;

  /** Leaves what was there before. */
  abort(): Promise<void>;
}

/**
 * Files under keys (see `checkKey`), in a folder or a bucket. A file is there as a whole or not at all, never changes
 * once it is there other than by being replaced as a whole, and a reader who has begun goes on with what it began.
 *
 * All methods throw StorageError: `bad_key`, and `storage_failed` when the system below fails.
 */
export interface FileStore {
  /**
   * Stores the content, replacing what was there. It is on stable storage when this returns; when it throws, or the
   * process dies, what was there before still is.
   * @throws StorageError `too_large`; the source's own error; the signal's reason when aborted
   */
  put(key: string, source: FileSource, options?: PutOptions): Promise<PutResult>;

  /**
   * A file that is written piece by piece and is there once it is committed. Writers on the same key do not see each
   * other: the last commit stands, as a whole.
   */
  createWriter(key: string, options?: PutOptions): FileWriter;

  /** @throws StorageError `not_found`, `bad_range` */
  get(key: string, range?: FileRange): Promise<Readable>;

  /** @returns undefined when there is none */
  head(key: string): Promise<FileInfo | undefined>;

  /** Deleting what is not there is fine. */
  delete(key: string): Promise<void>;

  /** All files whose key begins with the prefix, in the order of their keys' bytes. */
  list(prefix: string): AsyncIterable<FileInfo>;

  /** Whether the store can be used: for a process's start and its readiness. */
  check(): Promise<void>;
}
