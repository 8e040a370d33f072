import { ImageError, type OpenModel } from '@madakv/models';

const MM_PER_INCH = 25.4;
const A4_MM = { width: 210, height: 297 } as const;

/**
 * Tokens of a page of A4 as it is drawn here: what a page that nobody has read yet is taken for.
 * @returns undefined for a model that takes no images, or none of this shape
 */
export function pageTokens(model: Pick<OpenModel, 'takesImages' | 'imageLayout'>, dpi: number): number | undefined {
  if (!model.takesImages) return undefined;
  const pixels = (mm: number): number => Math.round((mm / MM_PER_INCH) * dpi);
  try {
    return model.imageLayout({ width: pixels(A4_MM.width), height: pixels(A4_MM.height) }).tokens;
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}
