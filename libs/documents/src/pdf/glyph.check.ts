import type { ObjectSurvey } from './page.survey.js';
import { floatsAt, readText, withMemory, type Pdfium } from './pdfium.js';

/*
 * Whether text that is to be seen has no glyphs to be drawn with. Fonts that a PDF does not embed are replaced by those
 * built into pdfium, which have Latin letters and a few signs; what they lack is drawn as nothing.
 */

/** Letters that no built-in font has. */
const FOREIGN = /(?!\p{Script=Latin}|\p{Script=Greek}|\p{Script=Common}|\p{Script=Inherited})\p{L}/u;
const BLANK = /^[\s\p{C}]$/u;
/** Text without glyphs has width and no height, in points. */
const NO_HEIGHT = 1e-3;
const LEAST_WIDTH = 0.5;

export function pageLacksGlyphs(pdfium: Pdfium, page: number, { texts }: Pick<ObjectSurvey, 'texts'>): boolean {
  const replaced = new Set(texts.filter((text) => !isEmbedded(pdfium, text)));
  if (replaced.size === 0) return false;
  const flat = new Set([...replaced].filter((text) => isFlat(pdfium, text)));
  return someCharacter(
    pdfium,
    page,
    (character, text) => flat.has(text) || (FOREIGN.test(character) && replaced.has(text)),
  );
}

/** Whether any text of a page is more than white space. */
export function hasLetters(pdfium: Pdfium, page: number, { texts }: Pick<ObjectSurvey, 'texts'>): boolean {
  const seen = new Set(texts);
  return texts.length > 0 && someCharacter(pdfium, page, (_, text) => seen.has(text));
}

const ANNOTATION = { freeText: 3, widget: 20 } as const;

/**
 * @param appearance what the annotation's own appearance is made of; pdfium makes one where it has none
 * @param form the document's form environment; 0 where there is none
 */
export function annotationLacksGlyphs(
  pdfium: Pdfium,
  annotation: number,
  { texts }: Pick<ObjectSurvey, 'texts'>,
  form: number,
): boolean {
  const replaced = texts.filter((text) => !isEmbedded(pdfium, text));
  if (replaced.some((text) => isFlat(pdfium, text))) return true;
  // Drawn with fonts of the document's own: all is there.
  if (texts.length > 0 && replaced.length === 0) return false;
  return FOREIGN.test(annotationText(pdfium, annotation, form));
}

/** What is drawn of an annotation's text. */
function annotationText(pdfium: Pdfium, annotation: number, form: number): string {
  const subtype = pdfium._FPDFAnnot_GetSubtype(annotation);
  if (subtype === ANNOTATION.widget && form !== 0) {
    return readText(pdfium, (address, bytes) => pdfium._FPDFAnnot_GetFormFieldValue(form, annotation, address, bytes));
  }
  if (subtype !== ANNOTATION.freeText) return '';
  const key = Buffer.from('Contents\0');
  return withMemory(pdfium, key.length, (name) => {
    pdfium.HEAPU8.set(key, name);
    return readText(pdfium, (address, bytes) => pdfium._FPDFAnnot_GetStringValue(annotation, name, address, bytes));
  });
}

/** Goes through a page's characters that are not blank, each with the text that it belongs to. */
function someCharacter(pdfium: Pdfium, page: number, holds: (character: string, text: number) => boolean): boolean {
  const textPage = pdfium._FPDFText_LoadPage(page);
  try {
    const count = pdfium._FPDFText_CountChars(textPage);
    for (let index = 0; index < count; index++) {
      // WebAssembly has no unsigned integers.
      const code = pdfium._FPDFText_GetUnicode(textPage, index) >>> 0;
      const character = String.fromCodePoint(Math.min(code, 0x10_ff_ff));
      if (BLANK.test(character)) continue;
      if (holds(character, pdfium._FPDFText_GetTextObject(textPage, index))) return true;
    }
    return false;
  } finally {
    pdfium._FPDFText_ClosePage(textPage);
  }
}

function isEmbedded(pdfium: Pdfium, text: number): boolean {
  return pdfium._FPDFFont_GetIsEmbedded(pdfium._FPDFTextObj_GetFont(text)) !== 0;
}

function isFlat(pdfium: Pdfium, text: number): boolean {
  const [left, bottom, right, top] = withMemory(pdfium, 16, (address) => {
    pdfium._FPDFPageObj_GetBounds(text, address, address + 4, address + 8, address + 12);
    return floatsAt(pdfium, address, 4);
  });
  const [width, height] = [right - left, top - bottom];
  return Math.min(width, height) < NO_HEIGHT && Math.max(width, height) > LEAST_WIDTH;
}
