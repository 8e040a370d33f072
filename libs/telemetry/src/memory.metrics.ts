import { observe } from './instruments.js';

/** What a worker's memory is held by, in bytes. What a worker has no part of is absent. */
export interface WorkerMemory {
  /** All of the process. What the other kinds do not explain is native: the program, the runtimes, weights, scratch of a run. */
  readonly resident: number;
  /** V8's heaps of all threads. */
  readonly heap: number;
  /** Buffers outside of them; `kv`, `features`, `rows` and `pages` are among these. */
  readonly buffers: number;
  /** Key-value cache of running requests. */
  readonly kv?: number;
  /** Visual features kept for later questions. */
  readonly features?: number;
  /** Rows of documents kept for later questions. */
  readonly rows?: number;
  /** Encoded pages kept for later questions. */
  readonly pages?: number;
  /** The processes that draw pages, as of their last documents; beside `resident`, not in it. */
  readonly raster?: number;
}

/**
 * Reads a worker's memory whenever metrics are collected.
 * @returns a function that ends it
 */
export function observeWorkerMemory(read: () => WorkerMemory): () => void {
  return observe(['workerMemory'], (observed) => {
    for (const [memoryKind, bytes] of Object.entries(read())) {
      if (bytes !== undefined) observed('workerMemory', bytes as number, { memoryKind });
    }
    return Promise.resolve();
  });
}
