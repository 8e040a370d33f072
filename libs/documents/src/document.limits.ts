/** What a document may be. Checked before work is done on it. */
export interface DocumentLimits {
  /** Input, in bytes. */
  maxDocumentBytes: number;
  /** Pages that a document may have, asked for or not. */
  maxDocumentPages: number;
  /** Pages that may be rasterised of one document. */
  maxPages: number;
  /** Time to open a document or to draw one page, in milliseconds. */
  pageTimeoutMs: number;
  /** Time spent on one document altogether, waiting for the reader of its pages not counted, in milliseconds. */
  documentTimeoutMs: number;
  /** Memory of the process that rasterises, in bytes. */
  rasterMemoryBytes: number;
}

export const DEFAULT_DOCUMENT_LIMITS: DocumentLimits = {
  maxDocumentBytes: 64 * 1024 ** 2,
  maxDocumentPages: 10_000,
  maxPages: 200,
  pageTimeoutMs: 20_000,
  documentTimeoutMs: 120_000,
  rasterMemoryBytes: 1024 ** 3,
};

/** What an image may be. Checked by its header, before it is decoded. */
export interface ImageLimits {
  /** Encoded, in bytes. */
  maxImageBytes: number;
  /** Width times height. */
  maxImagePixels: number;
  /** Longest side, in pixels. */
  maxImageSide: number;
}

export const DEFAULT_IMAGE_LIMITS: ImageLimits = {
  maxImageBytes: 20 * 1024 ** 2,
  maxImagePixels: 50_000_000,
  maxImageSide: 20_000,
};
