import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FileStore, PutOptions, PutResult } from './file.store.js';

/**
 * Appends to a file that is there once it is committed, and only then. Pieces stand in the order of the calls and are
 * never mixed, whoever calls; a process that dies in between leaves nothing behind that could be taken for a file.
 */
export class FileWriter {
  private readonly pipe = new PassThrough();
  private readonly stored: Promise<PutResult>;
  private draining: Promise<unknown> | undefined;

  constructor(store: Pick<FileStore, 'put'>, key: string, options?: PutOptions) {
    this.stored = store.put(key, this.pipe, options);
    // A failure shows in the next write or in commit; nobody may be waiting for either now.
    this.stored.catch((error: unknown) => this.pipe.destroy(error as Error));
    this.pipe.on('error', () => undefined);
  }

  /** Returns when there is room for more: wait for it, and memory stays bounded. */
  async write(piece: Uint8Array | string): Promise<void> {
    if (this.pipe.destroyed) await this.stored;
    if (this.pipe.write(piece)) return;
    // One wait for all that are waiting.
    this.draining ??= once(this.pipe, 'drain').finally(() => {
      this.draining = undefined;
    });
    await Promise.race([this.draining, this.stored]);
  }

  /** @throws what `put` throws; then nothing was stored */
  async commit(): Promise<PutResult> {
    this.pipe.end();
    return this.stored;
  }

  /** Leaves what was there before. */
  async abort(): Promise<void> {
    this.pipe.destroy(new Error('the writer was aborted'));
    await this.stored.catch(() => undefined);
  }
}
