import { DocumentError } from '../document.error.js';
import { formatCount } from '../quantity.format.js';

/** Longest page range text that is read, in characters. */
const MAX_LENGTH = 1000;

/**
 * Reads a choice of pages like `1-3,7,12-`: single pages and spans, one-based, separated by commas; an open span runs
 * to the last page. A part with a question mark after it, like `1-3?`, takes those of its pages that there are; one page
 * at least must be left in all. Pages come out in document order, each once, however they were written.
 * @param text undefined means all pages
 * @param pageCount pages of the document, at least 1
 * @returns one-based page numbers, ascending
 * @throws DocumentError `bad_page_range` when the text cannot be read, `page_out_of_range` when a page does not exist
 */
export function parsePageRanges(text: string | undefined, pageCount: number): number[] {
  if (text === undefined) return span(1, pageCount);
  if (text.length > MAX_LENGTH) {
    throw new DocumentError(
      'bad_page_range',
      `the page range is ${text.length} characters long; the limit is ${MAX_LENGTH}`,
    );
  }
  const pages = new Set<number>();
  for (const part of text.split(',')) {
    const { first, last } = parsePart(part.trim(), text, pageCount);
    for (const page of span(first, last)) pages.add(page);
  }
  if (pages.size === 0) {
    const has = `the document has ${counted(pageCount)}`;
    throw new DocumentError('page_out_of_range', `none of the pages "${text.slice(0, 80)}" is there; ${has}`);
  }
  return [...pages].sort((a, b) => a - b);
}

/** The span of one part; empty, with `last` below `first`, where none of an optional part's pages is there. */
function parsePart(part: string, text: string, pageCount: number): { first: number; last: number } {
  const match = /^(\d{1,9})(?:\s*(-)\s*(\d{1,9})?)?\s*(\?)?$/.exec(part);
  if (match === null) {
    const what = part === '' ? 'an empty part' : `"${part.slice(0, 40)}"`;
    throw new DocumentError(
      'bad_page_range',
      `${what} in the page range "${text.slice(0, 80)}"; expected pages and spans like 1-3,7,12- or 1-3?`,
    );
  }
  const [from, dash, to, optional] = [match[1], match.at(2), match.at(3), match.at(4)];
  const first = Number(from);
  const open = Math.max(first, pageCount);
  const last = dash === undefined ? first : to === undefined ? open : Number(to);
  if (first === 0)
    throw new DocumentError('bad_page_range', `page 0 in the page range "${text.slice(0, 80)}"; pages count from 1`);
  if (last < first) throw new DocumentError('bad_page_range', `the span ${part} runs backwards`);
  if (optional !== undefined) return { first, last: Math.min(last, pageCount) };
  if (last > pageCount) {
    const missing = first > pageCount ? first : last;
    const has = `the document has ${counted(pageCount)}`;
    throw new DocumentError('page_out_of_range', `page ${formatCount(missing)} was asked for; ${has}`);
  }
  return { first, last };
}

function counted(pages: number): string {
  return pages === 1 ? '1 page' : `${formatCount(pages)} pages`;
}

function span(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}
