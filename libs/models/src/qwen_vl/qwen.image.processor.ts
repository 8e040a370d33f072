import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { ImageLayout, ImageProcessor, ImageSize, PreparedImage } from '../family.js';
import { ImageError } from '../image/image.decoder.js';
import { imageKey } from '../image/image.key.js';
import { readProcessorSettings, resampleFilter, type SettingsFile } from '../image/processor.settings.js';
import { resize } from '../image/resample.js';
import type { RgbImage } from '../image/rgb.image.js';
import { valueTable } from '../image/value.table.js';
import type { PatchShape, QwenVlModelConfig } from './qwen.vl.config.js';

/** Least and largest number of pixels after resizing. */
export interface PixelRange {
  min: number;
  max: number;
}

const DEFAULT_RANGE: PixelRange = { min: 56 * 56, max: 28 * 28 * 1280 };
const MAX_ASPECT = 200;

export function qwenImageProcessor(folder: CheckpointFolder, { vision }: QwenVlModelConfig): ImageProcessor {
  const source = readProcessorSettings(folder);
  const { settings } = source;
  checkPatches(folder, source, vision);
  const filter = resampleFilter(folder, source);
  const range = pixelRange(source);
  const table = valueTable(settings);
  const factor = vision.patchSize * vision.mergeSize;
  const resizes = settings.do_resize ?? true;
  const sizeOf = (image: ImageSize): ImageSize => {
    const { width, height } = resizes ? smartSize(image, factor, range) : image;
    if (width % factor !== 0 || height % factor !== 0) {
      throw new ImageError(`${width} x ${height} is not a multiple of ${factor} pixels and do_resize is off`);
    }
    return { width, height };
  };
  return {
    pages: { multipleOf: factor, ...(resizes ? { maxPixels: range.max } : {}) },
    process(image) {
      const { width, height } = sizeOf(image);
      return patchify(resize(image, width, height, filter), table, vision);
    },
    layout: (size) => layoutOf(sizeOf(size), vision),
  };
}

/** @param size multiples of patch and merge block */
function layoutOf({ width, height }: ImageSize, { patchSize, mergeSize: merge }: PatchShape): ImageLayout {
  const rows = height / patchSize;
  const cols = width / patchSize;
  return {
    patchGrid: { frames: 1, rows, cols },
    grid: { frames: 1, rows: rows / merge, cols: cols / merge },
    tokens: (rows * cols) / merge ** 2,
  };
}

function checkPatches(folder: CheckpointFolder, { file, settings }: SettingsFile, vision: PatchShape): void {
  const pairs = [
    ['patch_size', settings.patch_size ?? 14, vision.patchSize],
    ['temporal_patch_size', settings.temporal_patch_size ?? 2, vision.temporalPatchSize],
    ['merge_size', settings.merge_size ?? 2, vision.mergeSize],
  ] as const;
  for (const [key, own, tower] of pairs) {
    if (own !== tower) {
      throw new CheckpointError('bad_value', `${folder.path(file)}: ${key} ${own}, but the vision tower's is ${tower}`);
    }
  }
}

/** `min_pixels` and `max_pixels` of older files win over `size`, as in the reference. */
function pixelRange({ settings }: SettingsFile): PixelRange {
  const size = typeof settings.size === 'object' ? settings.size : undefined;
  return {
    min: settings.min_pixels ?? size?.shortest_edge ?? DEFAULT_RANGE.min,
    max: settings.max_pixels ?? size?.longest_edge ?? DEFAULT_RANGE.max,
  };
}

/**
 * The nearest size whose sides are multiples of `factor` and whose area is within `range`, keeping the aspect ratio
 * (`smart_resize` of Qwen2-VL).
 * @throws ImageError for an image more than 200 times as long as wide
 */
export function smartSize(
  { width, height }: ImageSize,
  factor: number,
  range: PixelRange,
): ImageSize {
  if (Math.max(width, height) / Math.min(width, height) > MAX_ASPECT) {
    throw new ImageError(`${width} x ${height}: one side is more than ${MAX_ASPECT} times the other`);
  }
  const rounded = { width: roundHalfEven(width / factor) * factor, height: roundHalfEven(height / factor) * factor };
  const area = rounded.width * rounded.height;
  if (area > range.max) {
    const beta = Math.sqrt((height * width) / range.max);
    const shrink = (side: number) => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return { width: shrink(width), height: shrink(height) };
  }
  if (area < range.min) {
    const beta = Math.sqrt(range.min / (height * width));
    const grow = (side: number) => Math.ceil((side * beta) / factor) * factor;
    return { width: grow(width), height: grow(height) };
  }
  return rounded;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Cuts an image into patches, merge block by merge block; a patch is `[channels, frames, rows, columns]` flattened, with
 * the still image repeated along frames.
 */
function patchify(image: RgbImage, table: Float32Array, vision: PatchShape): PreparedImage {
  const { patchSize: size, temporalPatchSize: frames, mergeSize: merge } = vision;
  const rows = image.height / size;
  const cols = image.width / size;
  const area = size * size;
  const values = 3 * frames * area;
  const pixels = new Float32Array(rows * cols * values);
  let at = 0;
  for (let patch = 0; patch < rows * cols; patch++) {
    const block = Math.floor(patch / merge ** 2);
    const row = Math.floor(block / (cols / merge)) * merge + (Math.floor(patch / merge) % merge);
    const col = (block % (cols / merge)) * merge + (patch % merge);
    const corner = (row * size * image.width + col * size) * 3;
    for (let channel = 0; channel < 3; channel++) {
      const first = at;
      for (let y = 0; y < size; y++) {
        let from = corner + y * image.width * 3 + channel;
        for (let x = 0; x < size; x++, from += 3) pixels[at++] = table[channel * 256 + image.data[from]];
      }
      for (let frame = 1; frame < frames; frame++, at += area) pixels.copyWithin(at, first, first + area);
    }
  }
  return {
    pixels,
    dims: [rows * cols, values],
    ...layoutOf(image, vision),
    key: imageKey(image, Array.from(table.subarray(0, 2))),
  };
}
