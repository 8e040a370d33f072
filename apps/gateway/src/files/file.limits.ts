import { MAX_BATCH_BYTES, MadakvError, type UploadPurpose } from '@madakv/contracts';
import { checkMediaType, DEFAULT_DOCUMENT_LIMITS, DEFAULT_IMAGE_LIMITS } from '@madakv/documents';

/** Largest file of a purpose that comes in one request, in bytes. Images have a lower limit of their own. */
export const MAX_FILE_BYTES: Readonly<Record<UploadPurpose, number>> = {
  batch: MAX_BATCH_BYTES,
  user_data: DEFAULT_DOCUMENT_LIMITS.maxDocumentBytes,
};
const MAX_FILENAME = 255;

/** The end of a name, as text that can be written in UTF-8: half of a pair of surrogates cannot. */
export function filenameOf(given: string): string {
  return given.slice(-MAX_FILENAME).toWellFormed() || 'upload';
}

/** What a document is shows in its first bytes. @throws MadakvError, DocumentError */
export function checkDocument(head: Uint8Array, bytes: number): void {
  // A TIFF is a document of many pages, as a PDF is.
  const isImage = !['application/pdf', 'image/tiff'].includes(checkMediaType(head));
  const limit = isImage ? DEFAULT_IMAGE_LIMITS.maxImageBytes : MAX_FILE_BYTES.user_data;
  if (bytes > limit) throw tooLarge(limit);
}

export function tooLarge(limit: number): MadakvError {
  return new MadakvError('too_large', `The file is larger than the limit of ${limit} bytes.`, { param: 'file' });
}
