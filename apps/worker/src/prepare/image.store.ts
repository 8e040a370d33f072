import { storeKeys } from '@madakv/contracts';
import { checkImage, type ImageLimits } from '@madakv/documents';
import { decodeImage } from '@madakv/models';
import type { FileStore } from '@madakv/storage';
import type { PartContent } from './part.content.js';
import { isKept, type StoredImage } from './stored.image.js';

/** Images of requests, each once, known to decode. */
export class ImageStore {
  constructor(
    private readonly store: Pick<FileStore, 'get' | 'head' | 'put'>,
    private readonly limits: ImageLimits,
  ) {}

  /** @throws DocumentError; ImageError when it cannot be decoded as a whole; StorageError; the signal's reason when aborted */
  async keep(content: PartContent, signal?: AbortSignal): Promise<StoredImage> {
    const bytes = await content.bytes(signal);
    const { width, height } = await checkImage(bytes, this.limits);
    const key = storeKeys.image(content.sha256);
    if (!(await isKept(this.store, key, signal))) {
      // A header alone does not say that the rest is there.
      await decodeImage(bytes, { maxPixels: this.limits.maxImagePixels });
      signal?.throwIfAborted();
      await this.store.put(key, bytes, signal === undefined ? {} : { signal });
    }
    return { key, width, height };
  }
}
