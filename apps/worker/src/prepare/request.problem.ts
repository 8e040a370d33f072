import { MadakvError, type ErrorCode } from '@madakv/contracts';
import { DocumentError, type DocumentErrorCode } from '@madakv/documents';
import { ImageError } from '@madakv/models';
import { StorageError } from '@madakv/storage';

/** Every code that preparing a request may fail with. */
export const PREPARE_ERROR_CODES = [
  'invalid_request',
  'invalid_document',
  'document_unavailable',
  'not_found',
  'context_length_exceeded',
  'cache_ratio_too_small',
  'storage_unavailable',
] as const satisfies readonly ErrorCode[];

/** What a document's error is to a caller, where trying again would not help; where it may, it is `document_unavailable`. */
export const DOCUMENT_PROBLEMS: Readonly<Record<DocumentErrorCode, ErrorCode>> = {
  not_a_pdf: 'invalid_document',
  encrypted_pdf: 'invalid_document',
  broken_pdf: 'invalid_document',
  empty_pdf: 'invalid_document',
  dynamic_xfa: 'invalid_document',
  pdf_portfolio: 'invalid_document',
  bad_page_range: 'invalid_document',
  page_out_of_range: 'invalid_document',
  too_many_pages: 'invalid_document',
  document_too_large: 'invalid_document',
  raster_timeout: 'invalid_document',
  raster_memory: 'invalid_document',
  raster_crashed: 'invalid_document',
  unsupported_media_type: 'invalid_document',
  media_type_mismatch: 'invalid_document',
  bad_data_url: 'invalid_document',
  bad_image: 'invalid_document',
  image_too_large: 'invalid_document',
  bad_url: 'invalid_document',
  url_scheme_not_allowed: 'invalid_document',
  url_port_not_allowed: 'invalid_document',
  url_address_not_allowed: 'invalid_document',
  url_not_resolved: 'invalid_document',
  url_too_many_redirects: 'invalid_document',
  url_status: 'invalid_document',
  url_failed: 'invalid_document',
  url_timeout: 'invalid_document',
  url_too_large: 'invalid_document',
};

/**
 * An error of a library below as what it means for a part of the request; errors that are none of theirs come back as
 * they are.
 * @param part path of the part: `messages.0.content.1.file`
 * @param name of its file, where it has one
 */
export function asRequestProblem(error: unknown, part: string, name?: string): unknown {
  const place = placeOf(part, name);
  if (error instanceof DocumentError) {
    const code = error.retryable ? 'document_unavailable' : DOCUMENT_PROBLEMS[error.code];
    return new MadakvError(code, `${place}: ${error.message}`, { param: part, reason: error.code, cause: error });
  }
  if (error instanceof ImageError) {
    const options = { param: part, reason: 'bad_image', cause: error };
    return new MadakvError('invalid_document', `${place}: ${error.message}`, options);
  }
  if (error instanceof StorageError) {
    return new MadakvError('storage_unavailable', `${place}: the file store failed`, { param: part, cause: error });
  }
  return error;
}

/** Longest name of a file that a message repeats, in characters. */
const MAX_NAME = 80;

/** `messages.0.content.1.file (report.pdf)`, for messages. */
export function placeOf(part: string, name?: string): string {
  const clean = name?.replace(/\p{C}/gu, '').trim() ?? '';
  if (clean === '') return part;
  return `${part} (${clean.length > MAX_NAME ? `${clean.slice(0, MAX_NAME)}…` : clean})`;
}
