import { IDENTITY, multiply, unitSquare, type Box, type Matrix } from './page.matrix.js';
import { floatsAt, withMemory, type Pdfium } from './pdfium.js';

export interface PlacedImage {
  /** pdfium's. */
  readonly handle: number;
  /** Width times height. */
  readonly pixels: number;
  /** Where it lies in the page's coordinates. */
  readonly box: Box;
  /** In units of the page, squared. */
  readonly area: number;
}

/** What is to be seen on a page, forms opened. */
export interface ObjectSurvey {
  readonly images: PlacedImage[];
  /** Handles of texts; text behind a scan, which is not drawn, is left out. */
  readonly texts: number[];
  /** Whether there are lines, areas or shadings. */
  graphics: boolean;
  /** How many objects more are looked at. */
  left: number;
}

const OBJECT = { text: 1, image: 3, form: 5 } as const;
/** A page of more objects is drawn all the same. */
const MAX_OBJECTS = 50_000;
const MAX_DEPTH = 8;
/** Neither filled nor stroked. */
const INVISIBLE: ReadonlySet<number> = new Set([3, 7]);

/** Of a page, or of an annotation's appearance: `objectAt` gives its objects by index. */
export function surveyObjects(pdfium: Pdfium, count: number, objectAt: (index: number) => number): ObjectSurvey {
  const survey: ObjectSurvey = { images: [], texts: [], graphics: false, left: MAX_OBJECTS };
  for (let index = 0; index < count && survey.left > 0; index++) {
    visit(pdfium, objectAt(index), IDENTITY, MAX_DEPTH, survey);
  }
  return survey;
}

function visit(pdfium: Pdfium, object: number, outer: Matrix, depth: number, survey: ObjectSurvey): void {
  survey.left--;
  const type = pdfium._FPDFPageObj_GetType(object);
  if (type === OBJECT.text) {
    if (!INVISIBLE.has(pdfium._FPDFTextObj_GetTextRenderMode(object))) survey.texts.push(object);
  } else if (type === OBJECT.image) {
    survey.images.push(placed(pdfium, object, multiply(matrixOf(pdfium, object), outer)));
  } else if (type === OBJECT.form) {
    const inner = multiply(matrixOf(pdfium, object), outer);
    const count = depth === 0 ? 0 : pdfium._FPDFFormObj_CountObjects(object);
    for (let index = 0; index < count && survey.left > 0; index++) {
      visit(pdfium, pdfium._FPDFFormObj_GetObject(object, index), inner, depth - 1, survey);
    }
  } else {
    survey.graphics = true;
  }
}

function placed(pdfium: Pdfium, handle: number, matrix: Matrix): PlacedImage {
  const pixels = withMemory(pdfium, 8, (address) => {
    if (pdfium._FPDFImageObj_GetImagePixelSize(handle, address, address + 4) === 0) return 0;
    const view = new DataView(pdfium.HEAPU8.buffer, address, 8);
    return view.getUint32(0, true) * view.getUint32(4, true);
  });
  const [a, b, c, d] = matrix;
  return { handle, pixels, box: unitSquare(matrix), area: Math.abs(a * d - b * c) };
}

function matrixOf(pdfium: Pdfium, object: number): Matrix {
  return withMemory(pdfium, 24, (address) => {
    if (pdfium._FPDFPageObj_GetMatrix(object, address) === 0) return IDENTITY;
    const [a, b, c, d, e, f] = floatsAt(pdfium, address, 6);
    return [a, b, c, d, e, f];
  });
}

/** Share of a page that images have to cover together before their resolution counts. */
const LEAST_COVER = 0.25;

/**
 * The resolution that images have together, by area: a small logo does not outweigh a scan, and a scan may be cut into
 * strips.
 * @param area of the page, in its units squared
 * @returns pixels to a unit; 0 where images cover little of the page
 */
export function imageResolution(images: readonly PlacedImage[], area: number): number {
  const covered = images.reduce((sum, image) => sum + image.area, 0);
  if (!(covered > LEAST_COVER * area)) return 0;
  return Math.sqrt(images.reduce((sum, { pixels }) => sum + pixels, 0) / covered);
}
