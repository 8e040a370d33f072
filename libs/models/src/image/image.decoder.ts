import sharp from 'sharp';
import type { RgbImage } from './rgb.image.js';

// Images come from memory and are decoded once: what libvips would keep of them is asked for by nobody. For the whole process.
sharp.cache(false);

/** Bytes that are not an image this package reads. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

export interface DecodeLimits {
  /** Refuse images of more pixels than this; 100 million by default. */
  maxPixels?: number;
}

const MAX_PIXELS = 100_000_000;

/**
 * Decodes PNG, JPEG, WebP and whatever else libvips reads into upright eight-bit RGB, as the reference does:
 * EXIF orientation is applied, colour profiles are ignored, transparency is laid over white, CMYK is converted without
 * a profile, of 16 bits the upper eight are kept.
 * @throws ImageError when the bytes cannot be decoded or the image is too large
 */
export async function decodeImage(bytes: Uint8Array, limits: DecodeLimits = {}): Promise<RgbImage> {
  try {
    const { maxPixels = MAX_PIXELS } = limits;
    const limitInputPixels = maxPixels === Infinity ? false : maxPixels;
    const source = sharp(bytes, { ignoreIcc: true, limitInputPixels, failOn: 'error' });
    const { space, depth } = await source.metadata();
    const upright = source.autoOrient();
    const cmyk = space === 'cmyk';
    const converted = cmyk ? upright.pipelineColourspace('cmyk').toColourspace('cmyk') : upright.toColourspace('srgb');
    const isLong = cmyk && depth === 'ushort';
    const raw = converted.raw({ depth: isLong ? 'ushort' : 'uchar' });
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    const pixels = isLong ? upperBytes(data) : new Uint8Array(data.buffer, data.byteOffset, data.length);
    const rgb = cmyk ? fromCmyk(pixels, info.channels) : opaque(pixels, info.channels);
    return { width: info.width, height: info.height, data: rgb };
  } catch (cause) {
    throw new ImageError(`not an image that can be read: ${(cause as Error).message}`, { cause });
  }
}

/** `a * b / 255`, rounded, in integers. */
function scaled(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/** Of numbers of two bytes in this machine's order the upper ones. */
function upperBytes(data: Buffer): Uint8Array {
  const words = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  return Uint8Array.from(words, (word) => word >> 8);
}

/** @param channels the four inks, and others that are left out: transparency, spot colours */
function fromCmyk(data: Uint8Array, channels: number): Uint8Array {
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let from = 0, to = 0; from < data.length; from += channels) {
    const white = 255 - data[from + 3];
    for (let channel = 0; channel < 3; channel++) rgb[to++] = Math.max(0, white - scaled(data[from + channel], white));
  }
  return rgb;
}

function opaque(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return data;
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0, to = 0; pixel < pixels; pixel++) {
    const from = pixel * channels;
    // Two channels: grey and alpha; one: grey.
    const alpha = channels % 2 === 0 ? data[from + channels - 1] : 255;
    for (let channel = 0; channel < 3; channel++) {
      rgb[to++] = overWhite(data[from + (channels < 3 ? 0 : channel)], alpha);
    }
  }
  return rgb;
}

/** Porter-Duff "over" on opaque white with seven fraction bits, the arithmetic of Pillow's `alpha_composite`. */
function overWhite(value: number, alpha: number): number {
  if (alpha === 255) return value;
  const own = alpha * 128;
  const sum = value * own + 255 * (255 * 128 - own) + (0x80 << 7);
  return ((sum >> 8) + sum) >> 8 >> 7;
}
