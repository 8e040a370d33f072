import { DocumentError } from '../document.error.js';
import { formatCount } from '../quantity.format.js';

/** @param page one-based */
export function brokenPage(page: number): DocumentError {
  return new DocumentError('broken_pdf', `page ${formatCount(page)} of the PDF is broken`);
}
