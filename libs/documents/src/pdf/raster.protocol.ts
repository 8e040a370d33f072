import type { DocumentErrorCode } from '../document.error.js';
import type { DocumentWarning, PageWarningCode } from '../document.warning.js';
import type { BitmapRules, BitmapSize } from './page.geometry.js';

/*
 * What a rasterising process is told and answers. One request is under way at a time, and each has exactly one reply:
 *
 *   ready ->                          once, after the start
 *   open -> opened | failed           page -> page | failed           close -> closed
 *
 * Inside the process a thread runs pdfium on one document; its messages are the `Thread*` ones.
 */

export const PAGE_FORMATS = ['png', 'webp', 'raw'] as const;
/** `png` and `webp` are lossless; `raw` is eight-bit RGB, rows from the top, no padding: [height, width, 3]. */
export type PageFormat = (typeof PAGE_FORMATS)[number];

export interface OpenRequest {
  type: 'open';
  bytes: Uint8Array;
  maxDocumentPages: number;
  /** Memory of the whole process, in bytes. */
  memoryBytes: number;
}

export interface PageRequest {
  type: 'page';
  /** One-based. */
  page: number;
  rules: BitmapRules;
  format: PageFormat;
}

export interface CloseRequest {
  type: 'close';
}

export type RasterRequest = OpenRequest | PageRequest | CloseRequest;

export interface FailedReply {
  type: 'failed';
  code: DocumentErrorCode;
  message: string;
}

export interface OpenedReply {
  type: 'opened';
  pageCount: number;
  /** Pages that are not there, from 1. */
  missing: number[];
  warnings: readonly DocumentWarning[];
}

export interface PageReply extends BitmapSize {
  type: 'page';
  warnings: PageWarningCode[];
  bytes: Uint8Array;
}

export interface ClosedReply {
  type: 'closed';
  /** What the process still holds, in bytes. */
  residentBytes: number;
}

export type RasterReply = { type: 'ready' } | OpenedReply | PageReply | ClosedReply | FailedReply;

export interface ThreadData {
  pdfium: WebAssembly.Module;
  bytes: Uint8Array;
  maxDocumentPages: number;
  memoryBytes: number;
}

export type ThreadRequest = Omit<PageRequest, 'format'>;

/** Eight-bit RGBA, rows from the top: [height, width, 4]; alpha means nothing. */
export interface ThreadBitmap extends BitmapSize {
  type: 'bitmap';
  warnings: PageWarningCode[];
  rgba: Uint8Array;
}

export type ThreadReply = OpenedReply | ThreadBitmap | FailedReply;
