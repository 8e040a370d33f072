import { buffer } from 'node:stream/consumers';
import { PreparedRequestSchema, storeKeys, type PreparedRequest } from '@madakv/contracts';
import type { FileStore } from '@madakv/storage';
import type { EngineImage } from '../engine/engine.host.js';
import type { ByteCache } from './byte.cache.js';

/** Reads what prepare has left for generate. */
export class PreparedReader {
  constructor(
    private readonly store: Pick<FileStore, 'get'>,
    /** A job that waits for room is read again and again, a page where the engine has forgotten its features. */
    private readonly cache: ByteCache,
  ) {}

  /** @throws StorageError `not_found`, `storage_failed` */
  async read(requestId: string): Promise<PreparedRequest> {
    const content = await this.content(storeKeys.prepared(requestId));
    return PreparedRequestSchema.parse(JSON.parse(Buffer.from(content).toString('utf8')));
  }

  /** Images as the engine takes them: their bytes are read only where it does not hold their features any more. */
  imagesOf({ images }: PreparedRequest): EngineImage[] {
    return images.map(({ key, part, width, height }) => ({ key, part, width, height, load: () => this.content(key) }));
  }

  private async content(key: string): Promise<Uint8Array> {
    return this.cache.get(key, async () => buffer(await this.store.get(key)));
  }
}
