import { annotationLacksGlyphs } from './glyph.check.js';
import { surveyObjects } from './page.survey.js';
import type { Pdfium } from './pdfium.js';

export interface AnnotationSurvey {
  /** Those that draw something. */
  shown: number;
  /** Fields of a form. */
  widgets: number;
  /** Whether text of one has no glyphs to be drawn with. */
  lacksGlyphs: boolean;
}

const ANNOTATION = { link: 2, popup: 16, widget: 20 } as const;
const HIDDEN = 0x02;
const NO_VIEW = 0x20;
/** A page of more annotations is drawn all the same. */
const MAX_ANNOTATIONS = 5_000;

/** @param form the document's form environment; 0 where there is none */
export function surveyAnnotations(pdfium: Pdfium, page: number, form: number): AnnotationSurvey {
  const survey: AnnotationSurvey = { shown: 0, widgets: 0, lacksGlyphs: false };
  const count = Math.min(pdfium._FPDFPage_GetAnnotCount(page), MAX_ANNOTATIONS);
  for (let index = 0; index < count; index++) {
    const annotation = pdfium._FPDFPage_GetAnnot(page, index);
    if (annotation === 0) continue;
    take(pdfium, annotation, form, survey);
    pdfium._FPDFPage_CloseAnnot(annotation);
  }
  return survey;
}

function take(pdfium: Pdfium, annotation: number, form: number, survey: AnnotationSurvey): void {
  const subtype = pdfium._FPDFAnnot_GetSubtype(annotation);
  if (subtype === ANNOTATION.widget) survey.widgets++;
  const hidden = (pdfium._FPDFAnnot_GetFlags(annotation) & (HIDDEN | NO_VIEW)) !== 0;
  if (hidden || subtype === ANNOTATION.link || subtype === ANNOTATION.popup) return;
  survey.shown++;
  const count = pdfium._FPDFAnnot_GetObjectCount(annotation);
  const appearance = surveyObjects(pdfium, count, (index) => pdfium._FPDFAnnot_GetObject(annotation, index));
  survey.lacksGlyphs ||= annotationLacksGlyphs(pdfium, annotation, appearance, form);
}
