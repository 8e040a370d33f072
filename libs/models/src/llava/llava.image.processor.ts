import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { ImageLayout, ImageProcessor, ImageSize, PreparedImage } from '../family.js';
import { ImageError } from '../image/image.decoder.js';
import { imageKey } from '../image/image.key.js';
import { readProcessorSettings, resampleFilter, type ProcessorSettings } from '../image/processor.settings.js';
import { resize, resizedPart, type Part } from '../image/resample.js';
import type { RgbImage } from '../image/rgb.image.js';
import { meanColour, valueTable } from '../image/value.table.js';
import type { LlavaConfig } from './llava.vision.config.js';

/** CLIP's image processor: shortest side to `size`, centre crop, normalise. `pixels` are `[3, height, width]`. */
export function llavaImageProcessor(folder: CheckpointFolder, { vision }: LlavaConfig): ImageProcessor {
  const source = readProcessorSettings(folder);
  const { settings } = source;
  const filter = resampleFilter(folder, source);
  const table = valueTable(settings);
  const crop = cropSize(settings);
  const side = Math.floor(vision.imageSize / vision.patchSize);
  const grid = { frames: 1, rows: side, cols: side };
  const layout: ImageLayout = { patchGrid: grid, grid, tokens: side * side + (vision.keepClassToken ? 1 : 0) };
  const pads = settings.image_processor_type?.startsWith('LlavaImageProcessor') === true && settings.do_pad === true;
  const check = ({ width, height }: ImageSize): void => {
    if (width === vision.imageSize && height === vision.imageSize) return;
    throw new CheckpointError(
      'bad_value',
      `${folder.path(source.file)}: makes images of ${width} x ${height}, ` +
        `the vision tower takes ${vision.imageSize} x ${vision.imageSize}`,
    );
  };
  if (crop !== undefined) check(crop);
  const process = (image: RgbImage): PreparedImage => {
    const square = pads ? padToSquare(image, meanColour(settings)) : image;
    const target = resizedSize(square, settings);
    const cropped =
      crop === undefined
        ? resize(square, target.width, target.height, filter)
        : centreCrop(target, crop, (part) => resizedPart(square, target, filter, part));
    check(cropped);
    return {
      pixels: planes(cropped, table),
      dims: [3, cropped.height, cropped.width],
      ...layout,
      key: imageKey(cropped, Array.from(table.subarray(0, 2))),
    };
  };
  return { pages: { multipleOf: 1 }, process, layout: () => layout };
}

function cropSize(settings: ProcessorSettings): ImageSize | undefined {
  if (settings.do_center_crop === false) return undefined;
  const size = settings.crop_size ?? 224;
  if (typeof size === 'number') return { width: size, height: size };
  const edge = size.shortest_edge ?? 224;
  return { width: size.width ?? edge, height: size.height ?? edge };
}

/** The shorter side gets the given length, the longer one what keeps the ratio, rounded down. */
function resizedSize({ width, height }: ImageSize, settings: ProcessorSettings): ImageSize {
  if (settings.do_resize === false) return { width, height };
  const size = settings.size ?? 224;
  if (typeof size !== 'number' && size.height != null && size.width != null) {
    return { width: size.width, height: size.height };
  }
  const short = typeof size === 'number' ? size : (size.shortest_edge ?? 224);
  const long = Math.trunc((short * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: short, height: long } : { width: long, height: short };
}

/** A square of more pixels than that is refused. */
const MAX_PADDED_PIXELS = 100_000_000;

function padToSquare(image: RgbImage, colour: [number, number, number]): RgbImage {
  const side = Math.max(image.width, image.height);
  if (side ** 2 > MAX_PADDED_PIXELS) {
    const size = `${image.width} x ${image.height}`;
    throw new ImageError(`an image of ${size} makes a square of more than ${MAX_PADDED_PIXELS} pixels`);
  }
  const data = new Uint8Array(side * side * 3);
  for (let i = 0; i < data.length; i++) data[i] = colour[i % 3];
  const left = Math.floor((side - image.width) / 2);
  const top = Math.floor((side - image.height) / 2);
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    data.set(row, ((top + y) * side + left) * 3);
  }
  return { width: side, height: side, data };
}

/** Cuts the middle out of an image of that size; what lies outside of it is black. @param partOf gives a part of the image */
function centreCrop(image: ImageSize, size: ImageSize, partOf: (part: Part) => RgbImage): RgbImage {
  const [left, top] = [cropStart(image.width, size.width), cropStart(image.height, size.height)];
  const [x, y] = [Math.max(0, left), Math.max(0, top)];
  const width = Math.min(image.width, left + size.width) - x;
  const height = Math.min(image.height, top + size.height) - y;
  const inside = partOf({ left: x, top: y, width, height });
  if (width === size.width && height === size.height) return inside;
  const data = new Uint8Array(size.width * size.height * 3);
  for (let row = 0; row < height; row++) {
    const pixels = inside.data.subarray(row * width * 3, (row + 1) * width * 3);
    data.set(pixels, ((y - top + row) * size.width + x - left) * 3);
  }
  return { ...size, data };
}

/** Where the crop begins, negative when it is larger than the image (the odd pixel of padding then goes behind). */
function cropStart(length: number, crop: number): number {
  return crop > length ? -Math.floor((crop - length) / 2) : Math.floor((length - crop) / 2);
}

/** `[3, height, width]` */
export function planes(image: RgbImage, table: Float32Array): Float32Array {
  const area = image.width * image.height;
  const pixels = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[channel * area + i] = table[channel * 256 + image.data[i * 3 + channel]];
    }
  }
  return pixels;
}
