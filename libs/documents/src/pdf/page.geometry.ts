import { DocumentError } from '../document.error.js';
import { formatCount } from '../quantity.format.js';

/** Points are 1/72 inch. */
const POINTS_PER_INCH = 72;

export interface PageSize {
  widthPoints: number;
  heightPoints: number;
}

export interface BitmapRules {
  /** Resolution wanted, in dots per inch. */
  dpi: number;
  /** A page that would have more pixels comes out at a lower resolution, so that it has at most this many. */
  maxPixels: number;
  /** Longest side of a bitmap that its format can hold, in pixels; a longer page comes out at a lower resolution. */
  maxSide: number;
  /** Width and height come out as multiples of this, in pixels. */
  multipleOf: number;
  /** A page that fits `maxPixels` only below this resolution is refused: nobody could read it. */
  minDpi: number;
  /** Longest side of a page, in points. */
  maxPagePoints: number;
}

export interface BitmapSize {
  /** Pixels. */
  width: number;
  height: number;
  /** The resolution that the bitmap has, in dots per inch: the lesser of both axes. */
  dpi: number;
}

/**
 * The bitmap that a page is drawn into. Each axis is rounded to `multipleOf` by itself and the page is drawn at exactly
 * that size, so glyphs are rasterised on the final pixel grid and nothing resamples them later. Padding with white would
 * keep the aspect ratio to the last per mille, but costs tokens that hold nothing and moves every relative position on
 * the page; the change of aspect is at most half a multiple over a side (1 % for 28 px on 1,400).
 * @throws DocumentError `page_too_large`
 */
export function fitPage(page: number, size: PageSize, rules: BitmapRules): BitmapSize {
  const { widthPoints, heightPoints } = size;
  const shown = `page ${formatCount(page)} is ${formatCount(widthPoints)} x ${formatCount(heightPoints)} points`;
  if (Math.max(widthPoints, heightPoints) > rules.maxPagePoints) {
    throw new DocumentError('page_too_large', `${shown}; the limit is ${formatCount(rules.maxPagePoints)} a side`);
  }
  const wanted = at(size, rules.dpi, rules.multipleOf, Math.round);
  const fits =
    wanted.width * wanted.height <= rules.maxPixels && Math.max(wanted.width, wanted.height) <= rules.maxSide;
  const fitted = fits ? wanted : shrink(size, rules);
  if (fitted.dpi < Math.min(rules.minDpi, rules.dpi)) {
    throw new DocumentError(
      'page_too_large',
      `${shown}; in ${formatCount(rules.maxPixels)} pixels it would come out at ${fitted.dpi.toFixed(1)} dpi, below the least of ${rules.minDpi}`,
    );
  }
  return fitted;
}

function shrink(size: PageSize, rules: BitmapRules): BitmapSize {
  const { widthPoints, heightPoints } = size;
  const byPixels = Math.sqrt(rules.maxPixels / (widthPoints * heightPoints));
  const bySide = rules.maxSide / Math.max(widthPoints, heightPoints);
  return at(size, Math.min(byPixels, bySide) * POINTS_PER_INCH, rules.multipleOf, Math.floor);
}

function at(size: PageSize, dpi: number, multiple: number, round: (value: number) => number): BitmapSize {
  const width = side(size.widthPoints, dpi, multiple, round);
  const height = side(size.heightPoints, dpi, multiple, round);
  // Rounding alone is no loss of resolution: without a limit the page has the resolution asked for.
  const got = Math.min(width / size.widthPoints, height / size.heightPoints) * POINTS_PER_INCH;
  return { width, height, dpi: round === Math.round ? dpi : got };
}

function side(points: number, dpi: number, multiple: number, round: (value: number) => number): number {
  return Math.max(multiple, round((points * dpi) / POINTS_PER_INCH / multiple) * multiple);
}
