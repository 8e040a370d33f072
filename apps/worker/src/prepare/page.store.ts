import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { storeKeys } from '@madakv/contracts';
import { parsePageRanges, type DocumentInfo, type PdfRasteriser } from '@madakv/documents';
import { StorageError, type FileStore } from '@madakv/storage';
import { z } from 'zod';
import { KeyedLock } from './keyed.lock.js';
import type { PartContent } from './part.content.js';
import { isKept, storedPng, type StoredImage } from './stored.image.js';

/** How pages are drawn: the same document drawn by the same rules has the same pages. */
export interface DrawingRules {
  readonly dpi: number;
  readonly multipleOf: number;
  /** What the model takes of one page. */
  readonly maxPixels?: number;
  /**
   * A page that gets less is refused, in dots per inch. For a model that shows even an A4 page with few, it is half of
   * what such a page gets.
   */
  readonly minDpi: number;
}

export interface StoredPage extends StoredImage {
  /** From 1. */
  readonly page: number;
}

/** Raised when pages come out differently by the same rules. */
const DRAWING_VERSION = 1;
/** Pages that are looked up in the store at once. */
const LOOKUPS = 8;
const A4_SQUARE_INCHES = (210 * 297) / 25.4 ** 2;

const record = (pageCount: number): Buffer => Buffer.from(JSON.stringify({ pageCount }));
const DocumentRecordSchema = z.object({ pageCount: z.int().min(1) });

/**
 * Pages of PDFs. Each is drawn once and kept; whoever asks for it again, in this process or another, gets what was
 * drawn. Requests about one document take turns, so that the second finds what the first has drawn.
 */
export class PageStore {
  private readonly turns = new KeyedLock();
  private readonly drawing: string;
  private readonly minDpi: number;

  constructor(
    private readonly store: Pick<FileStore, 'get' | 'head' | 'put'>,
    private readonly rasteriser: Pick<PdfRasteriser, 'rasterise'>,
    private readonly rules: DrawingRules,
  ) {
    const { dpi, multipleOf, maxPixels } = rules;
    const text = JSON.stringify([DRAWING_VERSION, 'png', dpi, multipleOf, maxPixels ?? null]);
    this.minDpi = Math.min(rules.minDpi, maxPixels === undefined ? Infinity : dpiOfA4(maxPixels) / 2);
    this.drawing = createHash('sha256').update(text).digest('hex').slice(0, 16);
  }

  /**
   * The pages chosen of a document, in its order.
   * @param choice like `1-3,7,12-`; all pages where undefined
   * @param admit told how many pages there will be, before any is drawn; what it throws ends the work
   * @throws DocumentError; StorageError; what `admit` throws; the signal's reason when aborted
   */
  async pages(
    content: PartContent,
    choice: string | undefined,
    admit: (pages: number) => void,
    signal?: AbortSignal,
  ): Promise<StoredPage[]> {
    const work = (): Promise<StoredPage[]> => this.complete(content, choice, admit, signal);
    return this.turns.run(content.sha256, work, signal);
  }

  private async complete(
    content: PartContent,
    choice: string | undefined,
    admit: (pages: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<StoredPage[]> {
    const known = await this.pageCount(content.sha256);
    if (known === undefined) return this.draw(content, choice, admit, signal);
    const chosen = parsePageRanges(choice, known);
    admit(chosen.length);
    const found = await this.lookUp(content.sha256, chosen);
    const missing = chosen.filter((page) => !found.has(page));
    if (missing.length > 0) {
      for (const page of await this.draw(content, missing, () => undefined, signal)) found.set(page.page, page);
    }
    return chosen.flatMap((page) => found.get(page) ?? []);
  }

  private async draw(
    content: PartContent,
    pages: string | readonly number[] | undefined,
    admit: (pages: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<StoredPage[]> {
    const { dpi, multipleOf, maxPixels } = this.rules;
    const { sha256 } = content;
    const drawn: StoredPage[] = [];
    let pageCount = 0;
    const onOpened = (document: DocumentInfo): void => {
      pageCount = document.pageCount;
      if (!Array.isArray(pages)) admit(parsePageRanges(pages as string | undefined, pageCount).length);
    };
    const bitmaps = this.rasteriser.rasterise(await content.bytes(signal), {
      limits: { minDpi: this.minDpi },
      dpi,
      multipleOf,
      onOpened,
      ...(pages === undefined ? {} : { pages }),
      ...(maxPixels === undefined ? {} : { maxPixelsPerPage: maxPixels }),
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const { page, width, height, bytes } of bitmaps) {
      // Known from the first page on, so that whoever goes on after a failure finds what is there.
      if (drawn.length === 0) await this.store.put(storeKeys.document(sha256), record(pageCount));
      const key = storeKeys.page(sha256, this.drawing, page);
      await this.store.put(key, bytes, signal === undefined ? {} : { signal });
      drawn.push({ key, page, width, height });
    }
    return drawn;
  }

  /** Undefined for a document of which no page was drawn yet. */
  private async pageCount(sha256: string): Promise<number | undefined> {
    try {
      const text = (await buffer(await this.store.get(storeKeys.document(sha256)))).toString();
      return DocumentRecordSchema.parse(JSON.parse(text)).pageCount;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  private async lookUp(sha256: string, pages: readonly number[]): Promise<Map<number, StoredPage>> {
    const found = new Map<number, StoredPage>();
    for (let at = 0; at < pages.length; at += LOOKUPS) {
      const look = async (page: number): Promise<void> => {
        const key = storeKeys.page(sha256, this.drawing, page);
        const image = (await isKept(this.store, key)) ? await storedPng(this.store, key) : undefined;
        if (image !== undefined) found.set(page, { ...image, page });
      };
      await Promise.all(pages.slice(at, at + LOOKUPS).map(look));
    }
    return found;
  }
}

function dpiOfA4(pixels: number): number {
  return Math.sqrt(pixels / A4_SQUARE_INCHES);
}
