import { DocumentError } from '../document.error.js';
import { formatBytes, formatCount } from '../quantity.format.js';
import type { PageSize } from './page.geometry.js';

/** What is used of pdfium's C interface (fpdfview.h, fpdf_formfill.h). Numbers are addresses and handles; 0 is none. */
export interface Pdfium {
  _FPDF_InitLibraryWithConfig(config: object): void;
  _FPDF_LoadMemDocument(address: number, size: number, password: number): number;
  _FPDF_GetLastError(): number;
  _FPDF_GetPageCount(document: number): number;
  _FPDF_GetPageSizeByIndexF(document: number, index: number, size: number): number;
  _FPDF_LoadPage(document: number, index: number): number;
  _FPDF_ClosePage(page: number): void;
  _FPDFBitmap_CreateEx(width: number, height: number, format: number, address: number, stride: number): number;
  _FPDFBitmap_FillRect(bitmap: number, left: number, top: number, width: number, height: number, color: number): number;
  _FPDFBitmap_Destroy(bitmap: number): void;
  _FPDF_RenderPageBitmap: DrawCall;
  _FPDF_FFLDraw(form: number, ...draw: Parameters<DrawCall>): void;
  _FPDFDOC_InitFormFillEnvironment(document: number, callbacks: number): number;
  _FORM_OnAfterLoadPage(page: number, form: number): void;
  _FORM_OnBeforeClosePage(page: number, form: number): void;
  readonly wasmExports: { malloc(size: number): number; free(address: number): void };
  /** A new view each time the memory grows: never keep it. */
  readonly HEAPU8: Uint8Array;
}

type DrawCall = (
  bitmap: number,
  page: number,
  left: number,
  top: number,
  width: number,
  height: number,
  rotate: number,
  flags: number,
) => void;

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

/** One open document. It lives as long as its pdfium instance: nothing is freed that the instance's end frees. */
export class PdfiumDocument {
  private constructor(
    private readonly pdfium: Pdfium,
    private readonly handle: number,
    private readonly form: number,
  ) {}

  /** @throws DocumentError `encrypted_pdf`, `broken_pdf` */
  static open(pdfium: Pdfium, bytes: Uint8Array): PdfiumDocument {
    pdfium._FPDF_InitLibraryWithConfig({ version: 2 });
    const address = allocate(pdfium, bytes.length);
    pdfium.HEAPU8.set(bytes, address);
    const handle = pdfium._FPDF_LoadMemDocument(address, bytes.length, 0);
    if (handle === 0) throw loadError(pdfium._FPDF_GetLastError(), bytes.length);
    return new PdfiumDocument(pdfium, handle, openForm(pdfium, handle));
  }

  get pageCount(): number {
    return this.pdfium._FPDF_GetPageCount(this.handle);
  }

  /** Page sizes as shown, rotation applied. */
  pageSizes(): PageSize[] {
    const { pdfium } = this;
    const address = allocate(pdfium, 8);
    return Array.from({ length: this.pageCount }, (_, index) => {
      const found = pdfium._FPDF_GetPageSizeByIndexF(this.handle, index, address);
      const view = new DataView(pdfium.HEAPU8.buffer, address, 8);
      const size = { widthPoints: view.getFloat32(0, true), heightPoints: view.getFloat32(4, true) };
      if (found === 0 || !(size.widthPoints > 0 && size.heightPoints > 0)) throw brokenPage(index + 1);
      return size;
    });
  }

  /**
   * Draws a page, its annotations and form fields over white, stretched to the bitmap.
   * @param page one-based
   * @returns RGBA [height, width, 4]
   * @throws DocumentError `broken_pdf`
   */
  draw(page: number, width: number, height: number): Uint8Array {
    const { pdfium, form } = this;
    const handle = pdfium._FPDF_LoadPage(this.handle, page - 1);
    if (handle === 0) throw brokenPage(page);
    if (form !== 0) pdfium._FORM_OnAfterLoadPage(handle, form);
    const size = width * height * 4;
    const address = allocate(pdfium, size);
    const bitmap = pdfium._FPDFBitmap_CreateEx(width, height, BITMAP_BGRX, address, width * 4);
    try {
      pdfium._FPDFBitmap_FillRect(bitmap, 0, 0, width, height, WHITE);
      pdfium._FPDF_RenderPageBitmap(bitmap, handle, 0, 0, width, height, 0, DRAW_ANNOTATIONS | DRAW_RGB_ORDER);
      if (form !== 0) pdfium._FPDF_FFLDraw(form, bitmap, handle, 0, 0, width, height, 0, DRAW_RGB_ORDER);
      return pdfium.HEAPU8.slice(address, address + size);
    } finally {
      pdfium._FPDFBitmap_Destroy(bitmap);
      pdfium.wasmExports.free(address);
      if (form !== 0) pdfium._FORM_OnBeforeClosePage(handle, form);
      pdfium._FPDF_ClosePage(handle);
    }
  }
}

/** Fields whose appearance the document leaves to the reader are drawn by pdfium's form environment only. */
function openForm(pdfium: Pdfium, document: number): number {
  const address = allocate(pdfium, FORM_INFO_BYTES);
  pdfium.HEAPU8.fill(0, address, address + FORM_INFO_BYTES);
  new DataView(pdfium.HEAPU8.buffer).setUint32(address, 2, true);
  return pdfium._FPDFDOC_InitFormFillEnvironment(document, address);
}

function allocate(pdfium: Pdfium, bytes: number): number {
  const address = pdfium.wasmExports.malloc(bytes);
  if (address === 0) throw new DocumentError('raster_memory', `no room for ${formatBytes(bytes)} more`);
  return address;
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

function brokenPage(page: number): DocumentError {
  return new DocumentError('broken_pdf', `page ${formatCount(page)} of the PDF is broken`);
}
