import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FileStore, FileWriter, PutOptions, PutResult } from './file.store.js';

/** A writer whose pieces flow into one `put`. */
export class PipedFileWriter implements FileWriter {
  private readonly pipe = new PassThrough();
  private readonly stored: Promise<PutResult>;
  private draining: Promise<unknown> | undefined;

  constructor(store: Pick<FileStore, 'put'>, key: string, options?: PutOptions) {
    this.stored = store.put(key, this.pipe, options);
    // A failure shows in the next write or in commit; nobody may be waiting for either now.
    this.stored.catch((error: unknown) => this.pipe.destroy(error as Error));
    this.pipe.on('error', () => undefined);
  }

  async write(piece: Uint8Array | string): Promise<void> {
    if (this.pipe.destroyed) await this.stored;
    if (this.pipe.write(piece)) return;
    // One wait for all that are waiting. A pipe that breaks was left by the store, which says why.
    this.draining ??= once(this.pipe, 'drain')
      .catch(() => this.stored)
      .finally(() => {
        this.draining = undefined;
      });
    await Promise.race([this.draining, this.stored]);
  }

  async commit(): Promise<PutResult> {
    this.pipe.end();
    return this.stored;
  }

  async abort(): Promise<void> {
    this.pipe.destroy(new Error('the writer was aborted'));
    await this.stored.catch(() => undefined);
  }
}
