import { storeKeys } from '@madakv/contracts';
import { checkImage, formatCount, type DocumentWarning, type ImageLimits } from '@madakv/documents';
import { decodeImage } from '@madakv/models';
import type { FileStore } from '@madakv/storage';
import type { PartContent } from './document.part.js';
import { isKept, type StoredImage } from './stored.image.js';

export interface KeptImage {
  readonly image: StoredImage;
  /** What of it is not read. */
  readonly warnings: readonly DocumentWarning[];
}

/** Images of requests, each once, known to decode. */
export class ImageStore {
  constructor(
    private readonly store: Pick<FileStore, 'get' | 'head' | 'put'>,
    private readonly limits: ImageLimits,
  ) {}

  /** @throws DocumentError; ImageError when it cannot be decoded as a whole; StorageError; the signal's reason when aborted */
  async keep(content: PartContent, signal?: AbortSignal): Promise<KeptImage> {
    const bytes = await content.bytes(signal);
    const { width, height, pages } = await checkImage(bytes, this.limits);
    const key = storeKeys.image(content.sha256);
    if (!(await isKept(this.store, key, signal))) {
      // A header alone does not say that the rest is there.
      await decodeImage(bytes, { maxPixels: this.limits.maxImagePixels });
      signal?.throwIfAborted();
      await this.store.put(key, bytes, signal === undefined ? {} : { signal });
    }
    return { image: { key, width, height }, warnings: unreadFrames(pages) };
  }
}

function unreadFrames(pages: number): DocumentWarning[] {
  if (pages === 1) return [];
  const message = `only the first of the ${formatCount(pages)} pictures of the animation was read`;
  return [{ code: 'frames_not_read', message }];
}
