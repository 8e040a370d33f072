import { DocumentError } from '../document.error.js';
import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from '../document.limits.js';
import type { DocumentWarning, PageWarningCode } from '../document.warning.js';
import { sniffMediaType } from '../media/media.type.js';
import { formatBytes, formatCount } from '../quantity.format.js';
import { brokenPage } from './page.error.js';
import { parsePageRanges } from './page.ranges.js';
import { RasterPool } from './raster.pool.js';
import type { RasterProcess } from './raster.process.js';
import type { PageFormat, RasterReply, RasterRequest } from './raster.protocol.js';

export interface DocumentInfo {
  pageCount: number;
  /** What of it is not read. */
  warnings: readonly DocumentWarning[];
}

export interface OpenOptions {
  /** Limits that differ from the rasteriser's. */
  limits?: Partial<DocumentLimits>;
  signal?: AbortSignal;
}

export interface RasteriseOptions extends OpenOptions {
  /** Like `1-3,7,12-`, or the pages themselves, one-based; all by default. */
  pages?: string | readonly number[];
  /** Told what the document is before any page is drawn; what it throws ends the rasterising. */
  onOpened?: (document: DocumentInfo) => void;
  /** Dots per inch; 140 by default. Small pages and large images may get another: see {@link fitPage}. */
  dpi?: number;
  /** A page with more pixels comes out at a lower resolution; 12,000,000 by default. */
  maxPixelsPerPage?: number;
  /** Width and height come out as multiples of this, for models that cut pages into patches; 1 by default. */
  multipleOf?: number;
  /** `png` by default. */
  format?: PageFormat;
}

export interface PageBitmap {
  /** One-based. */
  page: number;
  /** Pixels. */
  width: number;
  height: number;
  /** Resolution of this page. */
  dpi: number;
  /** What of it is not drawn. */
  warnings: readonly PageWarningCode[];
  /** PNG or lossless WebP, or raw eight-bit RGB: [height, width, 3]. */
  bytes: Uint8Array;
}

export interface PdfRasteriserOptions {
  /** Processes that rasterise, at most; 1 by default. */
  processes?: number;
  limits?: Partial<DocumentLimits>;
}

const DEFAULT_DPI = 140;
const DEFAULT_MAX_PIXELS = 12_000_000;
const MAX_SIDE: Readonly<Record<PageFormat, number>> = { png: 65_500, raw: 65_500, webp: 16_383 };
/** Of the memory that a process may have while it draws: one that holds more when it is idle is replaced. */
const KEPT_SHARE = 1 / 4;
/** Time to end a document's thread, in milliseconds. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Turns PDFs into page bitmaps, in processes of its own with limits on time and memory. */
export class PdfRasteriser {
  private readonly pool: RasterPool;
  private readonly limits: DocumentLimits;

  constructor(options: PdfRasteriserOptions = {}) {
    this.limits = { ...DEFAULT_DOCUMENT_LIMITS, ...options.limits };
    this.pool = new RasterPool(options.processes ?? 1, this.limits.rasterMemoryBytes * KEPT_SHARE);
  }

  /**
   * What the document is; nothing is drawn and nothing stays open.
   * @throws DocumentError
   */
  async openDocument(bytes: Uint8Array, options: OpenOptions = {}): Promise<DocumentInfo> {
    const session = await this.open(bytes, options);
    await this.finish(session);
    return session.document;
  }

  /**
   * Draws pages one after the other, each when it is asked for. Before the first is drawn, all pages chosen are known to be
   * there; pages that are not asked for need not be. A process is held until the iteration ends: leave the loop, or abort, to give it back.
   * @throws DocumentError; the signal's reason when aborted
   */
  async *rasterise(bytes: Uint8Array, options: RasteriseOptions = {}): AsyncGenerator<PageBitmap, void, undefined> {
    const limits = { ...this.limits, ...options.limits };
    const format = options.format ?? 'png';
    const session = await this.open(bytes, options);
    try {
      const { document, missing } = session;
      options.onOpened?.(document);
      const pages = choosePages(options.pages, document.pageCount);
      if (pages.length > limits.maxPages) {
        const message = `${formatCount(pages.length)} pages are to be drawn; the limit is ${formatCount(limits.maxPages)}`;
        throw new DocumentError('too_many_pages', message);
      }
      const broken = pages.find((page) => missing.has(page));
      if (broken !== undefined) throw brokenPage(broken);
      const rules = {
        dpi: options.dpi ?? DEFAULT_DPI,
        maxPixels: options.maxPixelsPerPage ?? DEFAULT_MAX_PIXELS,
        maxSide: MAX_SIDE[format],
        multipleOf: options.multipleOf ?? 1,
      };
      for (const page of pages) {
        const request = { type: 'page', page, rules, format } as const;
        const reply = await session.request(request, 'page', `drawing page ${formatCount(page)}`);
        const { width, height, dpi, warnings, bytes: drawn } = reply;
        yield { page, width, height, dpi, warnings, bytes: drawn };
      }
    } finally {
      await this.finish(session);
    }
  }

  /** What the processes held after their last documents, in bytes. */
  get residentBytes(): number {
    return this.pool.residentBytes;
  }

  /** Ends the processes; documents under way fail. */
  close(): void {
    this.pool.close();
  }

  private async open(bytes: Uint8Array, options: OpenOptions): Promise<Session> {
    const limits = { ...this.limits, ...options.limits };
    if (bytes.length > limits.maxDocumentBytes) {
      const message = `the PDF has ${formatBytes(bytes.length)}; the limit is ${formatBytes(limits.maxDocumentBytes)}`;
      throw new DocumentError('document_too_large', message);
    }
    if (sniffMediaType(bytes) !== 'application/pdf') {
      throw new DocumentError('not_a_pdf', `the content (${formatBytes(bytes.length)}) does not begin as a PDF does`);
    }
    const session = new Session(await this.pool.acquire(options.signal), limits, options.signal);
    try {
      const { maxDocumentPages, rasterMemoryBytes: memoryBytes } = limits;
      const request = { type: 'open', bytes, maxDocumentPages, memoryBytes } as const;
      const { pageCount, warnings, missing } = await session.request(request, 'opened', 'opening the PDF');
      session.document = { pageCount, warnings };
      session.missing = new Set(missing);
      return session;
    } catch (error) {
      await this.finish(session);
      throw error;
    }
  }

  /** Hands the process back with its document closed. */
  private async finish({ process }: Session): Promise<void> {
    try {
      if (process.alive) {
        await process.request({ type: 'close' }, 'closed', { timeoutMs: CLOSE_TIMEOUT_MS, doing: 'closing the PDF' });
      }
    } catch {
      // It has ended, which closes the document as well; what it was used for has its own outcome.
    } finally {
      this.pool.release(process);
    }
  }
}

function choosePages(pages: RasteriseOptions['pages'], pageCount: number): readonly number[] {
  if (pages === undefined || typeof pages === 'string') return parsePageRanges(pages, pageCount);
  const missing = pages.find((page) => !(Number.isInteger(page) && page >= 1 && page <= pageCount));
  if (missing === undefined) return pages;
  throw new DocumentError(
    'page_out_of_range',
    `page ${formatCount(missing)} was asked for; the document has ${formatCount(pageCount)} pages`,
  );
}

/** One document on one process, and the time it may still take. */
class Session {
  document: DocumentInfo = { pageCount: 0, warnings: [] };
  /** Pages that are not there. */
  missing: ReadonlySet<number> = new Set();
  private spentMs = 0;

  constructor(
    readonly process: RasterProcess,
    private readonly limits: DocumentLimits,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async request<Type extends RasterReply['type']>(request: RasterRequest, expected: Type, doing: string) {
    const { pageTimeoutMs, documentTimeoutMs } = this.limits;
    const leftMs = documentTimeoutMs - this.spentMs;
    if (leftMs <= 0) {
      throw new DocumentError('raster_timeout', `the document took longer than ${formatCount(documentTimeoutMs)} ms`);
    }
    const timeoutMs = Math.min(pageTimeoutMs, leftMs);
    const began = performance.now();
    try {
      return await this.process.request(request, expected, { timeoutMs, doing, signal: this.signal });
    } finally {
      this.spentMs += performance.now() - began;
    }
  }
}
