import type { RgbImage } from './rgb.image.js';

export type ResampleFilter = 'bicubic' | 'bilinear';

/** Filter kernels and their reach, in output pixels when enlarging and scaled up with the ratio when reducing. */
const filters: Record<ResampleFilter, { reach: number; kernel: (x: number) => number }> = {
  // Keys' cubic convolution with a = -1/2.
  bicubic: {
    reach: 2,
    kernel: (x) => {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    },
  },
  bilinear: { reach: 1, kernel: (x) => Math.max(0, 1 - Math.abs(x)) },
};

/** Weights of one axis in fixed point: output `i` reads `taps` inputs from `first[i]` on. */
interface AxisWeights {
  first: Int32Array;
  /** `[outputs, taps]`, scaled by `2 ** bits`, zero behind the last input that counts. */
  weights: Int32Array;
  taps: number;
  bits: number;
}

/**
 * Resizes with antialiasing, columns first, each pass rounded to eight bits: what torchvision's resize does to uint8
 * images on CPUs with AVX2 (16-bit fixed-point weights with as many fraction bits as the largest weight leaves).
 */
export function resize(image: RgbImage, width: number, height: number, filter: ResampleFilter): RgbImage {
  return resizedPart(image, { width, height }, filter, { left: 0, top: 0, width, height });
}

/** Pixels of an image. */
export interface Part {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A part of what `resize` makes, at the cost of the part: the long side of a line drawn over a page may come to millions of pixels. */
export function resizedPart(
  image: RgbImage,
  size: { readonly width: number; readonly height: number },
  filter: ResampleFilter,
  part: Part,
): RgbImage {
  const columns = { first: part.left, count: part.width };
  const rows = { first: part.top, count: part.height };
  let data =
    size.width === image.width
      ? columnsOf(image, columns)
      : resizeRows(image.data, image.width, image.height, axisWeights(image.width, size.width, filter, columns));
  data =
    size.height === image.height
      ? data.subarray(rows.first * part.width * 3, (rows.first + rows.count) * part.width * 3)
      : resizeColumns(data, part.width, axisWeights(image.height, size.height, filter, rows));
  return { width: part.width, height: part.height, data };
}

/** Outputs of an axis. */
interface Span {
  readonly first: number;
  readonly count: number;
}

function columnsOf({ data, width, height }: RgbImage, { first, count }: Span): Uint8Array {
  if (count === width) return data;
  const result = new Uint8Array(count * height * 3);
  for (let y = 0; y < height; y++) {
    const from = (y * width + first) * 3;
    result.set(data.subarray(from, from + count * 3), y * count * 3);
  }
  return result;
}

/** Of a span of the outputs; as many bits as the largest weight of all of them leaves. */
function axisWeights(inputs: number, outputs: number, filter: ResampleFilter, span: Span): AxisWeights {
  const { reach, kernel } = filters[filter];
  const scale = inputs / outputs;
  const support = reach * Math.max(1, scale);
  const narrow = 1 / Math.max(1, scale);
  const taps = Math.min(inputs, Math.ceil(support) * 2 + 1);
  const first = new Int32Array(span.count);
  const exact = new Float64Array(span.count * taps);
  const own = new Float64Array(taps);
  let largest = 0;
  for (let output = 0; output < outputs; output++) {
    const center = scale * (output + 0.5);
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(taps, Math.min(inputs, Math.trunc(center + support + 0.5)) - start);
    let sum = 0;
    for (let j = 0; j < count; j++) {
      own[j] = kernel((j + start - center + 0.5) * narrow);
      sum += own[j];
    }
    for (let j = 0; j < count; j++) {
      own[j] /= sum;
      largest = Math.max(largest, own[j]);
    }
    const i = output - span.first;
    if (i < 0 || i >= span.count) continue;
    // All taps are read, those behind the last input with weight zero: move the window where it ends inside.
    first[i] = Math.min(start, inputs - taps);
    exact.set(own.subarray(0, count), i * taps + start - first[i]);
  }
  let bits = 0;
  while (bits < 22 && Math.trunc(0.5 + largest * 2 ** (bits + 1)) < 1 << 15) bits++;
  const weights = Int32Array.from(exact, (weight) => Math.trunc(weight * 2 ** bits + (weight < 0 ? -0.5 : 0.5)));
  return { first, weights, taps, bits };
}

function resizeRows(data: Uint8Array, width: number, height: number, axis: AxisWeights): Uint8Array {
  const { first, weights, taps, bits } = axis;
  const outputs = first.length;
  const result = new Uint8ClampedArray(outputs * height * 3);
  const half = 1 << (bits - 1);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let j = 0;
    for (let x = 0; x < outputs; x++) {
      let at = (y * width + first[x]) * 3;
      let red = half;
      let green = half;
      let blue = half;
      for (const end = j + taps; j < end; j++, at += 3) {
        const weight = weights[j];
        red = (red + Math.imul(weight, data[at])) | 0;
        green = (green + Math.imul(weight, data[at + 1])) | 0;
        blue = (blue + Math.imul(weight, data[at + 2])) | 0;
      }
      result[to++] = red >> bits;
      result[to++] = green >> bits;
      result[to++] = blue >> bits;
    }
  }
  return new Uint8Array(result.buffer);
}

function resizeColumns(data: Uint8Array, width: number, axis: AxisWeights): Uint8Array {
  const { first, weights, taps, bits } = axis;
  const stride = width * 3;
  const result = new Uint8ClampedArray(first.length * stride);
  const half = 1 << (bits - 1);
  let to = 0;
  for (let y = 0; y < first.length; y++) {
    const row = first[y] * stride;
    const end = (y + 1) * taps;
    for (let i = 0; i < stride; i++) {
      let sum = half;
      for (let j = y * taps, at = row + i; j < end; j++, at += stride) {
        sum = (sum + Math.imul(weights[j], data[at])) | 0;
      }
      result[to++] = sum >> bits;
    }
  }
  return new Uint8Array(result.buffer);
}
