import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { ImageLayout, ImageProcessor, ImageSize, PreparedImage } from '../family.js';
import { imageKey } from '../image/image.key.js';
import { readProcessorSettings, resampleFilter, type ProcessorSettings } from '../image/processor.settings.js';
import { resize } from '../image/resample.js';
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
    const resized = resize(square, target.width, target.height, filter);
    const cropped = crop === undefined ? resized : centreCrop(resized, crop);
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

function padToSquare(image: RgbImage, colour: [number, number, number]): RgbImage {
  const side = Math.max(image.width, image.height);
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

/** Cuts the middle out; what lies outside the image is black. */
function centreCrop(image: RgbImage, size: ImageSize): RgbImage {
  const data = new Uint8Array(size.width * size.height * 3);
  const left = cropStart(image.width, size.width);
  const top = cropStart(image.height, size.height);
  const from = Math.max(0, left);
  const to = Math.min(image.width, left + size.width);
  for (let y = 0; y < size.height; y++) {
    const row = y + top;
    if (row < 0 || row >= image.height) continue;
    const pixels = image.data.subarray((row * image.width + from) * 3, (row * image.width + to) * 3);
    data.set(pixels, (y * size.width + from - left) * 3);
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
