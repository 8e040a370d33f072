import sharp from 'sharp';
import { DocumentError } from '../document.error.js';
import { DEFAULT_IMAGE_LIMITS, type ImageLimits } from '../document.limits.js';
import { formatCount } from '../quantity.format.js';
import { checkPixels } from './image.check.js';
import { tiffDirectories, type AxisResolution } from './tiff.directories.js';

export interface TiffPage {
  /** One-based. */
  page: number;
  /** Pixels. */
  width: number;
  height: number;
  /** PNG. */
  bytes: Uint8Array;
}

/** How many pages a TIFF has; previews and smaller copies of them are none. @throws DocumentError `bad_image` */
export async function tiffPageCount(bytes: Uint8Array): Promise<number> {
  try {
    const { pages: directories = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return placesOf(bytes, directories).length;
  } catch (cause) {
    throw new DocumentError('bad_image', `the image's header cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** A page in a file. */
interface Place {
  /** Of its directory, from 0. */
  readonly directory: number;
  readonly resolution: AxisResolution | undefined;
}

/** @param most directories that can be decoded, where that is known */
function placesOf(bytes: Uint8Array, most = Infinity): Place[] {
  const found = tiffDirectories(bytes).slice(0, most);
  // What says nothing of itself is a page, and so are those that lie behind what can be looked through.
  const unread = most === Infinity ? 0 : most - found.length;
  const all = [...found, ...Array.from({ length: unread }, () => ({ resolution: undefined, isReduced: false }))];
  const places = all.map(({ resolution, isReduced }, directory) => ({ directory, resolution, isReduced }));
  const pages = places.filter(({ isReduced }) => !isReduced);
  return pages.length === 0 ? places.slice(0, 1) : pages;
}

/** Axes whose resolutions differ by less are taken for equal. */
const SAME_RESOLUTION = 1.05;
/** Pages wider or higher than their pixels by more are taken for a mistake of whoever wrote the file. */
const LARGEST_RATIO = 4;

/**
 * Pages of a TIFF as PNGs, upright and with square pixels, one after the other. Each page's size is checked before it is
 * decoded.
 * @param pages one-based, each of them in the file
 * @throws DocumentError `bad_image`, `image_too_large`
 */
export async function* tiffPages(
  bytes: Uint8Array,
  pages: readonly number[],
  limits: Partial<ImageLimits> = {},
): AsyncGenerator<TiffPage, void, undefined> {
  const rules = { ...DEFAULT_IMAGE_LIMITS, ...limits };
  const places = placesOf(bytes);
  for (const page of pages) {
    const { directory, resolution } = places.at(page - 1) ?? {
      directory: tiffDirectories(bytes).length + page - 1 - places.length,
      resolution: undefined,
    };
    const { x, y } = resolution ?? { x: 1, y: 1 };
    yield await decodePage(bytes, { page, directory }, rules, x / y);
  }
}

/** @param ratio horizontal to vertical resolution, of the pixels as they are stored */
async function decodePage(
  bytes: Uint8Array,
  { page, directory }: { readonly page: number; readonly directory: number },
  limits: ImageLimits,
  ratio: number,
): Promise<TiffPage> {
  try {
    const options = { page: directory, limitInputPixels: limits.maxImagePixels, failOn: 'error' } as const;
    const {
      autoOrient: size,
      orientation = 1,
      space,
    } = await sharp(bytes, { ...options, limitInputPixels: false }).metadata();
    const { width, height } = square(size, orientation > 4 ? 1 / ratio : ratio);
    checkPixels(`page ${formatCount(page)} of the image`, { width, height }, limits);
    const grey = space === 'b-w' || space === 'grey16';
    const image = sharp(bytes, options)
      .autoOrient()
      .resize({ width, height, fit: 'fill' })
      .flatten({ background: 'white' })
      .toColourspace(grey ? 'b-w' : 'srgb');
    const png = await image.png({ compressionLevel: 6 }).toBuffer();
    return { page, width, height, bytes: png };
  } catch (cause) {
    if (cause instanceof DocumentError) throw cause;
    const message = `page ${formatCount(page)} of the image cannot be read: ${(cause as Error).message}`;
    throw new DocumentError('bad_image', message, { cause });
  }
}

/** The size with square pixels: the coarser side is stretched. */
function square(
  { width, height }: { width: number; height: number },
  ratio: number,
): { width: number; height: number } {
  const factor = Math.max(ratio, 1 / ratio);
  if (!(factor > SAME_RESOLUTION && factor <= LARGEST_RATIO)) return { width, height };
  return ratio > 1 ? { width, height: Math.round(height * ratio) } : { width: Math.round(width / ratio), height };
}
