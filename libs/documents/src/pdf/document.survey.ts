import { DocumentError } from '../document.error.js';
import type { DocumentWarning } from '../document.warning.js';
import { formatCount } from '../quantity.format.js';
import { surveyAnnotations } from './annotation.survey.js';
import { pdfHints } from './pdf.hints.js';
import { readText, type Pdfium } from './pdfium.js';
import { countedCopy, isPortfolio } from './plain.copy.js';

/** XFA that makes the pages, and XFA beside pages that are there. */
const XFA_FULL = 2;
const XFA_FOREGROUND = 3;
/** Pages that are searched for a form's fields. */
const XFA_PAGES = 10;

export interface DocumentSurvey {
  /** The document, or a copy of it whose pages are counted. */
  readonly handle: number;
  readonly pageCount: number;
  /** Whether pages may have units of their own. */
  readonly userUnits: boolean;
  readonly warnings: readonly DocumentWarning[];
}

/**
 * What a document is as a whole.
 * @param bytes those that it was loaded from
 * @throws DocumentError `dynamic_xfa`, `pdf_portfolio`; `broken_pdf` where its page tree is wrong and incomplete
 */
export function surveyDocument(pdfium: Pdfium, document: number, bytes: Uint8Array): DocumentSurvey {
  if (pdfium._FPDF_GetFormType(document) === XFA_FULL) throw dynamicXfa();
  const { userUnits, collection, pages } = pdfHints(bytes);
  const files = attachedFiles(pdfium, document);
  if (files.length > 0 && collection && isPortfolio(pdfium, document)) throw portfolio(files.length);
  const warnings = [...unreadFiles(files), ...unreadXfa(pdfium, document)];
  return { userUnits, warnings, ...countPages(pdfium, document, pages, warnings) };
}

/**
 * pdfium believes what a page tree says about its number of pages. Where the objects of the file say otherwise, its leaves
 * are counted, and those are the pages: none is lost, and none is asked for that is not there.
 * @param hinted objects that are pages; undefined where unknown
 * @throws DocumentError `broken_pdf` where leaves are lost besides
 */
function countPages(
  pdfium: Pdfium,
  handle: number,
  hinted: number | undefined,
  warnings: DocumentWarning[],
): Pick<DocumentSurvey, 'handle' | 'pageCount'> {
  const stated = pdfium._FPDF_GetPageCount(handle);
  const counted = hinted === stated ? undefined : countedCopy(pdfium, handle);
  if (counted === undefined || counted.pageCount === 0 || counted.pageCount + counted.lost === stated) {
    return { handle, pageCount: stated };
  }
  const { pageCount, lost } = counted;
  const states = `the PDF states ${formatCount(stated)} pages, but has ${formatCount(pageCount)}`;
  if (lost > 0) throw new DocumentError('broken_pdf', `${states}; ${formatCount(lost)} more are named and missing`);
  warnings.push({ code: 'page_count_wrong', message: `${states}; what it has was read` });
  return { handle: counted.handle, pageCount };
}

/** Names of attached files. */
function attachedFiles(pdfium: Pdfium, document: number): string[] {
  return Array.from({ length: pdfium._FPDFDoc_GetAttachmentCount(document) }, (_, index) => {
    const file = pdfium._FPDFDoc_GetAttachment(document, index);
    return file === 0 ? '' : readText(pdfium, (address, bytes) => pdfium._FPDFAttachment_GetName(file, address, bytes));
  });
}

/** The XML of an electronic invoice says what its pages say. */
function unreadFiles(files: readonly string[]): DocumentWarning[] {
  const count = files.filter((name) => !/\.xml$/i.test(name)).length;
  if (count === 0) return [];
  const message = `${count === 1 ? '1 attached file was' : `${formatCount(count)} attached files were`} not read`;
  return [{ code: 'attachments_not_read', message }];
}

/** A form whose fields stand in its XFA only: its pages may be no more than a request to wait. */
function unreadXfa(pdfium: Pdfium, document: number): DocumentWarning[] {
  if (pdfium._FPDF_GetFormType(document) !== XFA_FOREGROUND) return [];
  const pages = Math.min(XFA_PAGES, pdfium._FPDF_GetPageCount(document));
  for (let index = 0; index < pages; index++) {
    const page = pdfium._FPDF_LoadPage(document, index);
    if (page === 0) continue;
    const { widgets } = surveyAnnotations(pdfium, page, 0);
    pdfium._FPDF_ClosePage(page);
    if (widgets > 0) return [];
  }
  const message = 'the PDF holds an XFA form, of which only the pages were read; to have it all, print it to PDF';
  return [{ code: 'xfa_not_read', message }];
}

function dynamicXfa(): DocumentError {
  const message =
    'the PDF is a dynamic XFA form, whose pages only Adobe’s programs can make; open it there and print it to PDF';
  return new DocumentError('dynamic_xfa', message);
}

function portfolio(files: number): DocumentError {
  const what = files === 1 ? 'file in it, which is' : `${formatCount(files)} files in it, which are`;
  const message = `the PDF is a portfolio: a cover for the ${what} not read; send what is in it by itself`;
  return new DocumentError('pdf_portfolio', message);
}
