import type { ProcessorSettings } from './processor.settings.js';

const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];

/**
 * What rescaling and normalising make of each byte, `[3 channels, 256]`, rounded to float32 where the reference rounds:
 * it folds the rescaling into mean and deviation, then subtracts and divides.
 */
export function valueTable(settings: ProcessorSettings): Float32Array {
  const table = new Float32Array(3 * 256);
  const factor = settings.rescale_factor ?? 1 / 255;
  const rescale = settings.do_rescale ?? true;
  const normalise = settings.do_normalize ?? true;
  const unit = Math.fround(rescale ? 1 / factor : 1);
  for (let channel = 0; channel < 3; channel++) {
    const mean = Math.fround(Math.fround(ofChannel(settings.image_mean ?? CLIP_MEAN, channel)) * unit);
    const deviation = Math.fround(Math.fround(ofChannel(settings.image_std ?? CLIP_STD, channel)) * unit);
    for (let byte = 0; byte < 256; byte++) {
      const plain = rescale ? byte * Math.fround(factor) : byte;
      table[channel * 256 + byte] = normalise ? Math.fround(byte - mean) / deviation : plain;
    }
  }
  return table;
}

/** Mean colour in bytes, as padding to a square uses it. */
export function meanColour(settings: ProcessorSettings): [number, number, number] {
  const mean = settings.image_mean ?? CLIP_MEAN;
  const byte = (channel: number) => Math.trunc(ofChannel(mean, channel) * 255);
  return [byte(0), byte(1), byte(2)];
}

function ofChannel(value: number | number[], channel: number): number {
  return typeof value === 'number' ? value : value[channel];
}
