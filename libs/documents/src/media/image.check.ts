import sharp from 'sharp';
import { DocumentError } from '../document.error.js';
import { DEFAULT_IMAGE_LIMITS, type ImageLimits } from '../document.limits.js';
import { formatBytes, formatCount } from '../quantity.format.js';
import { checkMediaType, MEDIA_TYPES, type MediaType } from './media.type.js';

export interface ImageHeader {
  mediaType: MediaType;
  /** Pixels, as displayed: after the orientation that the header states. */
  width: number;
  height: number;
  /** Pictures in it: pages of a TIFF, frames of an animation. */
  pages: number;
}

export interface ImageCheckOptions extends Partial<ImageLimits> {
  /** A type that was declared with the image. */
  declared?: string;
}

const IMAGE_TYPES: readonly MediaType[] = MEDIA_TYPES.filter((type) => type !== 'application/pdf');

/**
 * Reads an image's header and checks type, bytes and pixels, so that what is decoded later is known to be small enough.
 * Pixels are not decoded here: an image cut off after its header passes, and fails when it is decoded.
 * @throws DocumentError `unsupported_media_type`, `media_type_mismatch`, `bad_image`, `image_too_large`
 */
export async function checkImage(bytes: Uint8Array, options: ImageCheckOptions = {}): Promise<ImageHeader> {
  const limits = { ...DEFAULT_IMAGE_LIMITS, ...options };
  if (bytes.length > limits.maxImageBytes) {
    throw tooLarge(`the image has ${formatBytes(bytes.length)}; the limit is ${formatBytes(limits.maxImageBytes)}`);
  }
  const mediaType = checkMediaType(bytes, options.declared, IMAGE_TYPES);
  const header = await readHeader(bytes);
  checkPixels('the image', header, limits);
  return { mediaType, ...header };
}

/**
 * @param what `the image`, or which part of it
 * @throws DocumentError `image_too_large`
 */
export function checkPixels(
  what: string,
  { width, height }: { readonly width: number; readonly height: number },
  limits: Pick<ImageLimits, 'maxImagePixels' | 'maxImageSide'>,
): void {
  const size = `${what} is ${formatCount(width)} x ${formatCount(height)} pixels`;
  if (Math.max(width, height) > limits.maxImageSide) {
    throw tooLarge(`${size}; the limit is ${formatCount(limits.maxImageSide)} a side`);
  }
  if (width * height > limits.maxImagePixels) {
    throw tooLarge(
      `${size}, ${formatCount(width * height)} in all; the limit is ${formatCount(limits.maxImagePixels)}`,
    );
  }
}

async function readHeader(bytes: Uint8Array): Promise<Omit<ImageHeader, 'mediaType'>> {
  try {
    // The limit on pixels is this function's caller's, with its own message.
    const { autoOrient, pages = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata();
    return { ...autoOrient, pages };
  } catch (cause) {
    throw new DocumentError('bad_image', `the image's header cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function tooLarge(what: string): DocumentError {
  return new DocumentError('image_too_large', what);
}
