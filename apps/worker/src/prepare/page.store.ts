import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { storeKeys } from '@madakv/contracts';
import {
  DOCUMENT_WARNING_CODES,
  PAGE_WARNING_CODES,
  pageWarnings,
  parsePageRanges,
  type DocumentInfo,
  type DocumentWarning,
  type PageWarningCode,
  type PdfRasteriser,
} from '@madakv/documents';
import { StorageError, type FileStore } from '@madakv/storage';
import { z } from 'zod';
import { KeyedLock } from './keyed.lock.js';
import type { PartContent } from './document.part.js';
import { withNotes } from './png.notes.js';
import { isKept, storedPng, type StoredImage } from './stored.image.js';

/** How pages are drawn: the same document drawn by the same rules has the same pages. */
export interface DrawingRules {
  readonly dpi: number;
  readonly multipleOf: number;
  /** What the model takes of one page. */
  readonly maxPixels?: number;
}

export interface StoredPage extends StoredImage {
  /** From 1. */
  readonly page: number;
  /** What of it is not drawn. */
  readonly warnings: readonly PageWarningCode[];
}

export interface StoredDocument {
  /** Those chosen, in the document's order. */
  readonly pages: readonly StoredPage[];
  /** What of it is not read. */
  readonly warnings: readonly DocumentWarning[];
}

/** Raised when pages come out differently by the same rules. */
const DRAWING_VERSION = 2;
/** Pages that are looked up in the store at once. */
const LOOKUPS = 8;

const DocumentRecordSchema = z.object({
  pageCount: z.int().min(1),
  warnings: z.array(z.object({ code: z.enum(DOCUMENT_WARNING_CODES), message: z.string() })),
});
type DocumentRecord = z.infer<typeof DocumentRecordSchema>;

/**
 * Pages of PDFs. Each is drawn once and kept; whoever asks for it again, in this process or another, gets what was
 * drawn. Requests about one document take turns, so that the second finds what the first has drawn.
 */
export class PageStore {
  private readonly turns = new KeyedLock();
  private readonly drawing: string;

  constructor(
    private readonly store: Pick<FileStore, 'get' | 'head' | 'put'>,
    private readonly rasteriser: Pick<PdfRasteriser, 'rasterise'>,
    private readonly rules: DrawingRules,
  ) {
    const { dpi, multipleOf, maxPixels } = rules;
    const text = JSON.stringify([DRAWING_VERSION, 'png', dpi, multipleOf, maxPixels ?? null]);
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
  ): Promise<StoredDocument> {
    const work = (): Promise<StoredDocument> => this.complete(content, choice, admit, signal);
    return this.turns.run(content.sha256, work, signal);
  }

  private async complete(
    content: PartContent,
    choice: string | undefined,
    admit: (pages: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<StoredDocument> {
    const known = await this.known(content.sha256);
    if (known === undefined) return this.draw(content, choice, admit, signal);
    const chosen = parsePageRanges(choice, known.pageCount);
    admit(chosen.length);
    const found = await this.lookUp(content.sha256, chosen);
    const missing = chosen.filter((page) => !found.has(page));
    if (missing.length > 0) {
      const drawn = await this.draw(content, missing, () => undefined, signal);
      for (const page of drawn.pages) found.set(page.page, page);
    }
    return together(
      chosen.flatMap((page) => found.get(page) ?? []),
      known.warnings,
    );
  }

  private async draw(
    content: PartContent,
    pages: string | readonly number[] | undefined,
    admit: (pages: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<StoredDocument> {
    const { dpi, multipleOf, maxPixels } = this.rules;
    const { sha256 } = content;
    const drawn: StoredPage[] = [];
    let document: DocumentInfo = { pageCount: 0, warnings: [] };
    const onOpened = (opened: DocumentInfo): void => {
      document = opened;
      if (!Array.isArray(pages)) admit(parsePageRanges(pages as string | undefined, opened.pageCount).length);
    };
    const bitmaps = this.rasteriser.rasterise(await content.bytes(signal), {
      dpi,
      multipleOf,
      onOpened,
      ...(pages === undefined ? {} : { pages }),
      ...(maxPixels === undefined ? {} : { maxPixelsPerPage: maxPixels }),
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const { page, width, height, bytes, warnings } of bitmaps) {
      // Known from the first page on, so that whoever goes on after a failure finds what is there.
      if (drawn.length === 0) await this.remember(sha256, document);
      const key = storeKeys.page(sha256, this.drawing, page);
      await this.store.put(key, withNotes(bytes, warnings), signal === undefined ? {} : { signal });
      drawn.push({ key, page, width, height, warnings });
    }
    return together(drawn, document.warnings);
  }

  private async remember(sha256: string, { pageCount, warnings }: DocumentInfo): Promise<void> {
    const record: DocumentRecord = { pageCount, warnings: [...warnings] };
    await this.store.put(storeKeys.document(sha256), Buffer.from(JSON.stringify(record)));
  }

  /** Undefined for a document of which no page was drawn yet, or by an earlier version only, which looked less closely. */
  private async known(sha256: string): Promise<DocumentRecord | undefined> {
    try {
      const text = (await buffer(await this.store.get(storeKeys.document(sha256)))).toString();
      return DocumentRecordSchema.safeParse(JSON.parse(text)).data;
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
        if (image === undefined) return;
        const { width, height, notes } = image;
        const warnings = PAGE_WARNING_CODES.filter((code) => notes.includes(code));
        found.set(page, { key, width, height, page, warnings });
      };
      await Promise.all(pages.slice(at, at + LOOKUPS).map(look));
    }
    return found;
  }
}

function together(pages: readonly StoredPage[], ofDocument: readonly DocumentWarning[]): StoredDocument {
  return { pages, warnings: [...ofDocument, ...pageWarnings(pages)] };
}
