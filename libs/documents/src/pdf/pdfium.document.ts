import { DocumentError } from '../document.error.js';
import type { DocumentWarning, PageWarningCode } from '../document.warning.js';
import { formatBytes } from '../quantity.format.js';
import { surveyAnnotations, type AnnotationSurvey } from './annotation.survey.js';
import { isBlank, isEven, type Pixels } from './blank.check.js';
import { surveyDocument, type DocumentSurvey } from './document.survey.js';
import { hasLetters, pageLacksGlyphs } from './glyph.check.js';
import { brokenPage } from './page.error.js';
import { fitPage, type BitmapRules, type BitmapSize } from './page.geometry.js';
import type { Box } from './page.matrix.js';
import { imageResolution, surveyObjects, type ObjectSurvey, type PlacedImage } from './page.survey.js';
import { allocate, floatsAt, withMemory, type Pdfium } from './pdfium.js';
import { userUnit } from './plain.copy.js';

const ERROR_PASSWORD = 4;
const ERROR_SECURITY = 5;
/** Four bytes a pixel, the fourth unused. */
const BITMAP_BGRX = 3;
/** Draw annotations; write red before blue. Text is smoothed in grey: sub-pixel colours would be noise to a model. */
const DRAW_ANNOTATIONS = 0x01;
const DRAW_RGB_ORDER = 0x10;
const WHITE = 0xffffffff;
/** FPDF_FORMFILLINFO is 140 bytes in version 2; callbacks stay null. */
const FORM_INFO_BYTES = 256;
const POINTS_PER_INCH = 72;
/** Images of more pixels are not decoded once more, only to find out whether they can be. */
const MAX_TRIED_PIXELS = 40_000_000;
/** Share of an image's place that is of one colour where the image was left out and others lie over it. */
const UNDER_OTHERS = 0.75;

export interface DrawnPage extends BitmapSize {
  /** [height, width, 4], the fourth meaning nothing. */
  rgba: Uint8Array;
  warnings: PageWarningCode[];
}

interface PageSurvey {
  readonly objects: ObjectSurvey;
  readonly annotations: AnnotationSurvey;
}

/** One open document. It lives as long as its pdfium instance: nothing is freed that the instance's end frees. */
export class PdfiumDocument {
  private readonly form: number;

  private constructor(
    private readonly pdfium: Pdfium,
    private readonly document: DocumentSurvey,
  ) {
    this.form = openForm(pdfium, document.handle);
  }

  /** @throws DocumentError `encrypted_pdf`, `broken_pdf`, `dynamic_xfa`, `pdf_portfolio` */
  static open(pdfium: Pdfium, bytes: Uint8Array): PdfiumDocument {
    pdfium._FPDF_InitLibraryWithConfig({ version: 2 });
    const address = allocate(pdfium, bytes.length);
    pdfium.HEAPU8.set(bytes, address);
    const handle = pdfium._FPDF_LoadMemDocument(address, bytes.length, 0);
    if (handle === 0) throw loadError(pdfium._FPDF_GetLastError(), bytes.length);
    return new PdfiumDocument(pdfium, surveyDocument(pdfium, handle, bytes));
  }

  get pageCount(): number {
    return this.document.pageCount;
  }

  get warnings(): readonly DocumentWarning[] {
    return this.document.warnings;
  }

  /** Pages that the document says to have and that are not there, from 1. */
  missingPages(): number[] {
    const { pdfium } = this;
    return withMemory(pdfium, 16, (address) => {
      const hasSize = (page: number): boolean =>
        pdfium._FPDF_GetPageSizeByIndexF(this.document.handle, page - 1, address) !== 0 &&
        positive(floatsAt(pdfium, address, 2));
      return Array.from({ length: this.pageCount }, (_, index) => index + 1).filter(
        (page) => !hasSize(page) && !(this.showWhole(page, address) && hasSize(page)),
      );
    });
  }

  /**
   * A crop box that leaves nothing of the page does not count.
   * @param address of 16 bytes
   * @returns whether the page is there
   */
  private showWhole(page: number, address: number): boolean {
    const { pdfium } = this;
    const handle = pdfium._FPDF_LoadPage(this.document.handle, page - 1);
    if (handle === 0) return false;
    if (pdfium._FPDFPage_GetMediaBox(handle, address, address + 4, address + 8, address + 12) !== 0) {
      const [left, bottom, right, top] = floatsAt(pdfium, address, 4);
      pdfium._FPDFPage_SetCropBox(handle, left, bottom, right, top);
    }
    pdfium._FPDF_ClosePage(handle);
    return true;
  }

  /**
   * Draws a page, its annotations and form fields over white, stretched to the bitmap.
   * @param page one-based
   * @throws DocumentError `broken_pdf`
   */
  draw(page: number, rules: BitmapRules): DrawnPage {
    const { pdfium, form } = this;
    const handle = pdfium._FPDF_LoadPage(this.document.handle, page - 1);
    if (handle === 0) throw brokenPage(page);
    if (form !== 0) pdfium._FORM_OnAfterLoadPage(handle, form);
    try {
      const survey = this.survey(handle);
      const size = this.size(page, handle, survey, rules);
      const rgba = this.paint(handle, size);
      return { ...size, rgba, warnings: this.warningsOf(handle, survey, { ...size, rgba }) };
    } finally {
      if (form !== 0) pdfium._FORM_OnBeforeClosePage(handle, form);
      pdfium._FPDF_ClosePage(handle);
    }
  }

  private survey(page: number): PageSurvey {
    const { pdfium, form } = this;
    const objectAt = (index: number): number => pdfium._FPDFPage_GetObject(page, index);
    return {
      objects: surveyObjects(pdfium, pdfium._FPDFPage_CountObjects(page), objectAt),
      annotations: surveyAnnotations(pdfium, page, form),
    };
  }

  private size(page: number, handle: number, { objects, annotations }: PageSurvey, rules: BitmapRules): BitmapSize {
    const { pdfium } = this;
    const unit = this.document.userUnits ? userUnit(pdfium, this.document.handle, page - 1) : 1;
    const [width, height] = [pdfium._FPDF_GetPageWidthF(handle), pdfium._FPDF_GetPageHeightF(handle)];
    if (!positive([width, height])) throw brokenPage(page);
    return fitPage(
      {
        widthPoints: width * unit,
        heightPoints: height * unit,
        imageDpi: (imageResolution(objects.images, width * height) * POINTS_PER_INCH) / unit,
        imagesOnly: objects.texts.length === 0 && !objects.graphics && annotations.shown === 0,
      },
      rules,
    );
  }

  private paint(page: number, { width, height }: BitmapSize): Uint8Array {
    const { pdfium, form } = this;
    const size = width * height * 4;
    return withMemory(pdfium, size, (address) => {
      const bitmap = pdfium._FPDFBitmap_CreateEx(width, height, BITMAP_BGRX, address, width * 4);
      try {
        pdfium._FPDFBitmap_FillRect(bitmap, 0, 0, width, height, WHITE);
        pdfium._FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, DRAW_ANNOTATIONS | DRAW_RGB_ORDER);
        if (form !== 0) pdfium._FPDF_FFLDraw(form, bitmap, page, 0, 0, width, height, 0, DRAW_RGB_ORDER);
        return pdfium.HEAPU8.slice(address, address + size);
      } finally {
        pdfium._FPDFBitmap_Destroy(bitmap);
      }
    });
  }

  private warningsOf(page: number, { objects, annotations }: PageSurvey, pixels: Pixels): PageWarningCode[] {
    const { pdfium } = this;
    const warnings: PageWarningCode[] = [];
    if (annotations.lacksGlyphs || pageLacksGlyphs(pdfium, page, objects)) warnings.push('text_not_drawn');
    const share = objects.texts.length > 0 || objects.graphics || annotations.shown > 0 ? UNDER_OTHERS : 1;
    if (objects.images.some((image) => this.isLeftOut(page, image, pixels, share))) warnings.push('image_not_drawn');
    const empty = (): boolean => objects.images.length === 0 && !hasLetters(pdfium, page, objects);
    if (warnings.length === 0 && isBlank(pixels) && !empty()) warnings.push('blank_page');
    return warnings;
  }

  /** Whether pdfium went on without an image: nothing is to be seen in its place, and it cannot be decoded. */
  private isLeftOut(page: number, { handle, pixels: count, box }: PlacedImage, pixels: Pixels, share: number): boolean {
    if (!isEven(pixels, this.onDevice(page, box, pixels), share)) return false;
    if (this.bitsOf(page, handle) === 0) return true;
    if (count > MAX_TRIED_PIXELS) return false;
    const bitmap = this.pdfium._FPDFImageObj_GetBitmap(handle);
    if (bitmap !== 0) this.pdfium._FPDFBitmap_Destroy(bitmap);
    return bitmap === 0;
  }

  /** Of a pixel of an image; 0 where pdfium cannot begin to decode it. */
  private bitsOf(page: number, image: number): number {
    const { pdfium } = this;
    // FPDF_IMAGEOBJ_METADATA: width, height, two floats, bits a pixel, two integers.
    return withMemory(pdfium, 28, (address) => {
      if (pdfium._FPDFImageObj_GetImageMetadata(image, page, address) === 0) return 0;
      return new DataView(pdfium.HEAPU8.buffer, address, 28).getUint32(16, true);
    });
  }

  /** Of a box on the page, in pixels from the top. */
  private onDevice(page: number, { left, bottom, right, top }: Box, { width, height }: Pixels): Box {
    const { pdfium } = this;
    const corner = (x: number, y: number): [number, number] =>
      withMemory(pdfium, 8, (address) => {
        pdfium._FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, address, address + 4);
        const view = new DataView(pdfium.HEAPU8.buffer, address, 8);
        return [view.getInt32(0, true), view.getInt32(4, true)];
      });
    const [x0, y0] = corner(left, bottom);
    const [x1, y1] = corner(right, top);
    return { left: Math.min(x0, x1), right: Math.max(x0, x1), top: Math.min(y0, y1), bottom: Math.max(y0, y1) };
  }
}

/** Fields whose appearance the document leaves to the reader are drawn by pdfium's form environment only. */
function openForm(pdfium: Pdfium, document: number): number {
  const address = allocate(pdfium, FORM_INFO_BYTES);
  pdfium.HEAPU8.fill(0, address, address + FORM_INFO_BYTES);
  new DataView(pdfium.HEAPU8.buffer).setUint32(address, 2, true);
  return pdfium._FPDFDOC_InitFormFillEnvironment(document, address);
}

function positive(sides: readonly number[]): boolean {
  return sides.every((side) => side > 0 && Number.isFinite(side));
}

function loadError(code: number, bytes: number): DocumentError {
  if (code === ERROR_PASSWORD) return new DocumentError('encrypted_pdf', 'the PDF is encrypted and needs a password');
  if (code === ERROR_SECURITY) {
    return new DocumentError('encrypted_pdf', 'the PDF is encrypted in a way that cannot be read');
  }
  return new DocumentError(
    'broken_pdf',
    `the PDF's structure is broken and cannot be repaired (${formatBytes(bytes)} read)`,
  );
}
