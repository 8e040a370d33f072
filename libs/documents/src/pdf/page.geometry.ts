/** Points are 1/72 inch. */
const POINTS_PER_INCH = 72;

export interface PageContent {
  /** As shown, rotation and the page's own unit applied. */
  widthPoints: number;
  heightPoints: number;
  /** Resolution that the page's images have together, in dots per inch; 0 where they cover little of it. */
  imageDpi: number;
  /** Whether nothing but images is to be seen. */
  imagesOnly: boolean;
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
}

export interface BitmapSize {
  /** Pixels. */
  width: number;
  height: number;
  /** The resolution that the bitmap has, in dots per inch: the lesser of both axes. */
  dpi: number;
}

const LETTER_POINTS = 612 * 792;
/** A5, and half a letter, are pages like others. */
const SMALL_POINTS = LETTER_POINTS / 2;
const A4_POINTS = 595.28 * 841.89;
/** Sizes in use for a letter or an A4 page differ by less. */
const ABOUT = 1.02;
/** The least share of an ordinary page's pixels that a page gets: what A8 (52 x 74 mm) has. */
const LEAST_SHARE = 1 / 16;

/**
 * The bitmap that a page is drawn into. Points say little about what can be read: a photo saved at 72 dpi is as large as a
 * wall, a label scanned at 2,400 dpi as small as a stamp. So a page smaller than half a letter gets what its images have, up to
 * the pixels of a letter, and never next to none; one larger than A4 that only holds images gets no more than they have,
 * but the pixels of an A4 page. All others have the resolution wanted. None has more than `maxPixels`, and none is refused.
 *
 * Each axis is rounded to `multipleOf` by itself and the page is drawn at exactly that size, so glyphs are rasterised on
 * the final pixel grid and nothing resamples them later. Padding with white would keep the aspect ratio to the last per
 * mille, but costs tokens that hold nothing and moves every relative position on the page; the change of aspect is at most
 * half a multiple over a side (1 % for 28 px on 1,400).
 */
export function fitPage(page: PageContent, rules: BitmapRules): BitmapSize {
  const wanted = at(page, wantedDpi(page, rules.dpi), rules.multipleOf, Math.round);
  const fits =
    wanted.width * wanted.height <= rules.maxPixels && Math.max(wanted.width, wanted.height) <= rules.maxSide;
  return fits ? wanted : shrink(page, rules);
}

function wantedDpi({ widthPoints, heightPoints, imageDpi, imagesOnly }: PageContent, dpi: number): number {
  const area = widthPoints * heightPoints;
  /** At which this page has the pixels that one of the area given has at the resolution wanted. */
  const dpiAs = (points: number): number => dpi * Math.sqrt(points / area);
  if (area * ABOUT < SMALL_POINTS) {
    const letter = dpiAs(LETTER_POINTS);
    return Math.max(dpi, Math.min(imageDpi, letter), Math.sqrt(LEAST_SHARE) * letter);
  }
  if (area > A4_POINTS * ABOUT && imagesOnly && imageDpi > 0)
    return Math.min(dpi, Math.max(imageDpi, dpiAs(A4_POINTS)));
  return dpi;
}

/** @param area square points */
function dpiOf(pixels: number, area: number): number {
  return POINTS_PER_INCH * Math.sqrt(pixels / area);
}

function shrink(page: PageContent, rules: BitmapRules): BitmapSize {
  const { widthPoints, heightPoints } = page;
  const bySide = (rules.maxSide / Math.max(widthPoints, heightPoints)) * POINTS_PER_INCH;
  const dpi = Math.min(dpiOf(rules.maxPixels, widthPoints * heightPoints), bySide);
  const { width, height, ...rest } = at(page, dpi, rules.multipleOf, Math.floor);
  // A sliver cannot be narrower than one multiple, and is cut to fit instead.
  const longest =
    Math.max(1, Math.floor(rules.maxPixels / Math.min(width, height) / rules.multipleOf)) * rules.multipleOf;
  return { width: Math.min(width, longest), height: Math.min(height, longest), ...rest };
}

function at(page: PageContent, dpi: number, multiple: number, round: (value: number) => number): BitmapSize {
  const width = side(page.widthPoints, dpi, multiple, round);
  const height = side(page.heightPoints, dpi, multiple, round);
  // Rounding alone is no loss of resolution: without a limit the page has the resolution asked for.
  const got = Math.min(width / page.widthPoints, height / page.heightPoints) * POINTS_PER_INCH;
  return { width, height, dpi: round === Math.round ? dpi : got };
}

function side(points: number, dpi: number, multiple: number, round: (value: number) => number): number {
  return Math.max(multiple, round((points * dpi) / POINTS_PER_INCH / multiple) * multiple);
}
