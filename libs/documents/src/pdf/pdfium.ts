import { DocumentError } from '../document.error.js';
import { formatBytes } from '../quantity.format.js';

/**
 * What is used of pdfium's C interface (fpdfview.h, fpdf_annot.h, fpdf_attachment.h, fpdf_edit.h, fpdf_formfill.h,
 * fpdf_ppo.h, fpdf_save.h, fpdf_text.h). Numbers are addresses and handles; 0 is none.
 */
export interface Pdfium {
  _FPDF_InitLibraryWithConfig(config: object): void;
  _FPDF_LoadMemDocument(address: number, size: number, password: number): number;
  _FPDF_CloseDocument(document: number): void;
  _FPDF_GetLastError(): number;
  _FPDF_GetPageCount(document: number): number;
  _FPDF_GetFormType(document: number): number;
  _FPDFDoc_GetAttachmentCount(document: number): number;
  _FPDFDoc_GetAttachment(document: number, index: number): number;
  _FPDFAttachment_GetName(attachment: number, text: number, bytes: number): number;
  _FPDF_GetPageSizeByIndexF(document: number, index: number, size: number): number;
  _FPDF_LoadPage(document: number, index: number): number;
  _FPDF_ClosePage(page: number): void;
  _FPDFPage_GetMediaBox(page: number, left: number, bottom: number, right: number, top: number): number;
  _FPDFPage_SetCropBox(page: number, left: number, bottom: number, right: number, top: number): void;
  _FPDF_GetPageWidthF(page: number): number;
  _FPDF_GetPageHeightF(page: number): number;
  _FPDF_PageToDevice(
    page: number,
    left: number,
    top: number,
    width: number,
    height: number,
    rotate: number,
    pageX: number,
    pageY: number,
    deviceX: number,
    deviceY: number,
  ): number;
  _FPDFBitmap_CreateEx(width: number, height: number, format: number, address: number, stride: number): number;
  _FPDFBitmap_FillRect(bitmap: number, left: number, top: number, width: number, height: number, color: number): number;
  _FPDFBitmap_Destroy(bitmap: number): void;
  _FPDF_RenderPageBitmap: DrawCall;
  _FPDF_FFLDraw(form: number, ...draw: Parameters<DrawCall>): void;
  _FPDFDOC_InitFormFillEnvironment(document: number, callbacks: number): number;
  _FORM_OnAfterLoadPage(page: number, form: number): void;
  _FORM_OnBeforeClosePage(page: number, form: number): void;
  // What a page is made of.
  _FPDFPage_CountObjects(page: number): number;
  _FPDFPage_GetObject(page: number, index: number): number;
  _FPDFFormObj_CountObjects(form: number): number;
  _FPDFFormObj_GetObject(form: number, index: number): number;
  _FPDFPageObj_GetType(object: number): number;
  _FPDFPageObj_GetMatrix(object: number, matrix: number): number;
  _FPDFPageObj_GetBounds(object: number, left: number, bottom: number, right: number, top: number): number;
  _FPDFImageObj_GetImagePixelSize(image: number, width: number, height: number): number;
  _FPDFImageObj_GetImageMetadata(image: number, page: number, metadata: number): number;
  _FPDFImageObj_GetBitmap(image: number): number;
  _FPDFTextObj_GetFont(text: number): number;
  _FPDFTextObj_GetTextRenderMode(text: number): number;
  _FPDFFont_GetIsEmbedded(font: number): number;
  _FPDFText_LoadPage(page: number): number;
  _FPDFText_ClosePage(page: number): void;
  _FPDFText_CountChars(page: number): number;
  _FPDFText_GetUnicode(page: number, index: number): number;
  _FPDFText_GetTextObject(page: number, index: number): number;
  _FPDFPage_GetAnnotCount(page: number): number;
  _FPDFPage_GetAnnot(page: number, index: number): number;
  _FPDFPage_CloseAnnot(annotation: number): void;
  _FPDFAnnot_GetSubtype(annotation: number): number;
  _FPDFAnnot_GetFlags(annotation: number): number;
  _FPDFAnnot_GetObjectCount(annotation: number): number;
  _FPDFAnnot_GetObject(annotation: number, index: number): number;
  _FPDFAnnot_GetStringValue(annotation: number, key: number, text: number, bytes: number): number;
  _FPDFAnnot_GetFormFieldValue(form: number, annotation: number, text: number, bytes: number): number;
  // Copies of a document.
  _FPDF_CreateNewDocument(): number;
  _FPDF_ImportPagesByIndex(to: number, from: number, indices: number, length: number, at: number): number;
  _FPDF_SaveAsCopy(document: number, writer: number, flags: number): number;
  readonly wasmExports: {
    malloc(size: number): number;
    free(address: number): void;
    readonly __indirect_function_table: WebAssembly.Table;
  };
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

/** @throws DocumentError `raster_memory` */
export function allocate(pdfium: Pdfium, bytes: number): number {
  const address = pdfium.wasmExports.malloc(bytes);
  if (address === 0) throw new DocumentError('raster_memory', `no room for ${formatBytes(bytes)} more`);
  return address;
}

/** Memory for the time of a call. */
export function withMemory<Result>(pdfium: Pdfium, bytes: number, use: (address: number) => Result): Result {
  const address = allocate(pdfium, bytes);
  try {
    return use(address);
  } finally {
    pdfium.wasmExports.free(address);
  }
}

/** 32-bit floats at an address. */
export function floatsAt(pdfium: Pdfium, address: number, count: number): number[] {
  const view = new DataView(pdfium.HEAPU8.buffer, address, 4 * count);
  return Array.from({ length: count }, (_, index) => view.getFloat32(4 * index, true));
}

/** Longest text that is looked at, in bytes. */
const MAX_TEXT_BYTES = 64 * 1024;

/**
 * What a function writes as UTF-16, without its final null.
 * @param call is given an address and its size, and returns the size it needs, in bytes
 */
export function readText(pdfium: Pdfium, call: (address: number, bytes: number) => number): string {
  const bytes = call(0, 0);
  if (bytes <= 2 || bytes > MAX_TEXT_BYTES) return '';
  return withMemory(pdfium, bytes, (address) => {
    call(address, bytes);
    return Buffer.from(pdfium.HEAPU8.slice(address, address + bytes - 2)).toString('utf16le');
  });
}
