import { storeKeys } from '@madakv/contracts';
import { parsePageRanges, tiffPageCount, tiffPages, type ImageLimits } from '@madakv/documents';
import type { FileStore } from '@madakv/storage';
import type { StoredPage } from './page.store.js';
import type { PartContent } from './document.part.js';
import { isKept, storedPng } from './stored.image.js';

/** What a TIFF counts as: one image, or pages like those of a PDF. */
export interface TiffAdmission {
  image(): void;
  pages(count: number): void;
}

/** Raised when pages come out differently. */
const CONVERSION = 'tiff-2';

/** Pages of TIFFs, as scanners and faxes make them. Each is turned into a PNG once and kept. */
export class TiffStore {
  constructor(
    private readonly store: Pick<FileStore, 'get' | 'head' | 'put'>,
    private readonly limits: ImageLimits,
  ) {}

  /**
   * @param choice like `1-3,7,12-`; all pages where undefined. It does not concern a TIFF of one page, which is an image
   * @param admit told what there will be before any is decoded; what it throws ends the work
   * @throws DocumentError; StorageError; what `admit` throws; the signal's reason when aborted
   */
  async pages(
    content: PartContent,
    choice: string | undefined,
    admit: TiffAdmission,
    signal?: AbortSignal,
  ): Promise<(Omit<StoredPage, 'page'> & { readonly page: number | null })[]> {
    const bytes = await content.bytes(signal);
    const count = await tiffPageCount(bytes);
    const chosen = count === 1 ? [1] : parsePageRanges(choice, count);
    if (count === 1) admit.image();
    else admit.pages(chosen.length);
    const kept: StoredPage[] = [];
    for (const page of chosen) {
      signal?.throwIfAborted();
      kept.push(await this.keep(content.sha256, bytes, page, signal));
    }
    return count === 1 ? kept.map((image) => ({ ...image, page: null })) : kept;
  }

  private async keep(
    sha256: string,
    bytes: Uint8Array,
    page: number,
    signal: AbortSignal | undefined,
  ): Promise<StoredPage> {
    const key = storeKeys.page(sha256, CONVERSION, page);
    const known = (await isKept(this.store, key, signal)) ? await storedPng(this.store, key) : undefined;
    if (known !== undefined) return { key, width: known.width, height: known.height, page, warnings: [] };
    for await (const { width, height, bytes: png } of tiffPages(bytes, [page], this.limits)) {
      await this.store.put(key, png, signal === undefined ? {} : { signal });
      return { key, width, height, page, warnings: [] };
    }
    throw new RangeError(`no page ${page}`);
  }
}
