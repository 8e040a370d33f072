/**
 * Every way a document can be refused. The one place that maps codes to HTTP status or job outcome can check itself
 * against this list.
 */
export const DOCUMENT_ERROR_CODES = [
  // The PDF itself.
  'not_a_pdf',
  'encrypted_pdf',
  'broken_pdf',
  'empty_pdf',
  'dynamic_xfa',
  'pdf_portfolio',
  // What was asked of it.
  'bad_page_range',
  'page_out_of_range',
  'too_many_pages',
  'document_too_large',
  // Rasterising, which runs in a process of its own.
  'raster_timeout',
  'raster_memory',
  'raster_crashed',
  // Images and media types.
  'unsupported_media_type',
  'media_type_mismatch',
  'bad_data_url',
  'bad_image',
  'image_too_large',
  // Fetching URLs.
  'bad_url',
  'url_scheme_not_allowed',
  'url_port_not_allowed',
  'url_address_not_allowed',
  'url_not_resolved',
  'url_too_many_redirects',
  'url_status',
  'url_failed',
  'url_timeout',
  'url_too_large',
] as const;

export type DocumentErrorCode = (typeof DOCUMENT_ERROR_CODES)[number];

/** Codes where the same request may pass later; a `url_status` is decided by its status. */
const TRANSIENT: ReadonlySet<DocumentErrorCode> = new Set([
  'raster_crashed',
  'url_not_resolved',
  'url_failed',
  'url_timeout',
]);

export interface DocumentErrorOptions {
  cause?: unknown;
  /** Overrides what the code says about trying again. */
  retryable?: boolean;
}

/** A document, image or URL that cannot be used. Messages name the numbers and the limits they broke, never content. */
export class DocumentError extends Error {
  override readonly name = 'DocumentError';
  /** Whether the same request may pass later. */
  readonly retryable: boolean;

  constructor(
    readonly code: DocumentErrorCode,
    message: string,
    options: DocumentErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryable = options.retryable ?? TRANSIENT.has(code);
  }
}
