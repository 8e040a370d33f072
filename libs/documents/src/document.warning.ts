/** What may be missing from a document that was read all the same. */
export const DOCUMENT_WARNING_CODES = [
  // The document as a whole.
  'attachments_not_read',
  'xfa_not_read',
  'page_count_wrong',
  // One page.
  'text_not_drawn',
  'image_not_drawn',
  'blank_page',
  // An image.
  'frames_not_read',
] as const;

export type DocumentWarningCode = (typeof DOCUMENT_WARNING_CODES)[number];

/** Messages name numbers and pages, never content. */
export interface DocumentWarning {
  code: DocumentWarningCode;
  message: string;
}

export const PAGE_WARNING_CODES = [
  'text_not_drawn',
  'image_not_drawn',
  'blank_page',
] as const satisfies readonly DocumentWarningCode[];
export type PageWarningCode = (typeof PAGE_WARNING_CODES)[number];

/** After "page 3: ". */
const PAGE_MESSAGES: Readonly<Record<PageWarningCode, string>> = {
  text_not_drawn: 'text is missing from what was read, as the PDF does not embed its font; embed the fonts',
  image_not_drawn: 'an image is missing from what was read, as it cannot be decoded',
  blank_page: 'nothing was read, as it came out blank although the PDF has content for it',
};

/**
 * One warning a code, naming the pages that have it.
 * @param pages one-based, ascending, with the warnings of each
 */
export function pageWarnings(
  pages: readonly { readonly page: number; readonly warnings: readonly PageWarningCode[] }[],
): DocumentWarning[] {
  return PAGE_WARNING_CODES.flatMap((code) => {
    const having = pages.filter(({ warnings }) => warnings.includes(code)).map(({ page }) => page);
    return having.length === 0 ? [] : [{ code, message: `${listPages(having)}: ${PAGE_MESSAGES[code]}` }];
  });
}

/** Spans that are named; the rest are counted. */
const MAX_SPANS = 8;

/** `page 2`, `pages 2, 5-7` */
function listPages(pages: readonly number[]): string {
  const spans: { first: number; last: number }[] = [];
  for (const page of pages) {
    const span = spans.at(-1);
    if (span?.last === page - 1) span.last = page;
    else spans.push({ first: page, last: page });
  }
  const named = spans.slice(0, MAX_SPANS).map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  const rest = spans.slice(MAX_SPANS).reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return `${pages.length === 1 ? 'page' : 'pages'} ${named.join(', ')}${rest === 0 ? '' : ` and ${rest} more`}`;
}
