import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CheckpointFolder,
  decodeImage,
  openModel,
  resize,
  smartSize,
  visionLayout,
  type LlavaConfig,
  type OpenModel,
  type QwenConfig,
  type RgbImage,
} from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { FIXTURES, readBytes, readJson } from './fixture.reader.js';

const folder = join(FIXTURES, 'processing');

interface Expected {
  sizes: Record<'qwen' | 'clip', Record<string, [height: number, width: number]>>;
  windows: [frames: number, rows: number, cols: number][];
  arrays: Record<string, { file: string; shape: number[] }>;
}

const expected = readJson(join(folder, 'expected.json')) as Expected;
const bytesOf = (array: string): ArrayBuffer => readBytes(join(folder, expected.arrays[array].file));
const picture = (...path: string[]): Promise<RgbImage> => decodeImage(readFileSync(join(FIXTURES, ...path)));

/** Largest difference and share of values that differ at all. */
function compare(actual: Uint8Array, reference: Uint8Array): { most: number; share: number } {
  expect(actual).toHaveLength(reference.length);
  let most = 0;
  let differ = 0;
  for (let i = 0; i < actual.length; i++) {
    const apart = Math.abs(actual[i] - reference[i]);
    most = Math.max(most, apart);
    if (apart > 0) differ++;
  }
  return { most, share: differ / actual.length };
}

describe('decoding', () => {
  const names = Object.keys(expected.arrays).filter((name) => name.startsWith('rgb-'));

  it.each(names)('%s has the same bytes', async (array) => {
    const image = await picture('images', array.slice('rgb-'.length));
    const [height, width] = expected.arrays[array].shape;
    expect([image.height, image.width]).toEqual([height, width]);
    expect(compare(image.data, new Uint8Array(bytesOf(array)))).toEqual({ most: 0, share: 0 });
  });

  it('keeps the upper eight bits of sixteen', async () => {
    const { data, width, height } = await picture('images', 'grey16.png');
    const grey = (x: number, y: number): number => ((x * 523 + y * 317) % 65536) >> 8;
    const wanted = Array.from({ length: width * height }, (_, i) => grey(i % width, Math.floor(i / width)));
    expect(Array.from(data.filter((_, i) => i % 3 === 0))).toEqual(wanted);
  });
});

describe('resizing', () => {
  it.each(Object.entries(expected.sizes.qwen))('%s for Qwen has the same bytes', async (name, [height, width]) => {
    const reference = await picture('processing', `qwen-${name}`);
    const resized = resize(await picture('images', name), width, height, 'bicubic');
    expect(compare(resized.data, reference.data)).toEqual({ most: 0, share: 0 });
  });

  it.each(Object.keys(expected.sizes.clip))('%s for CLIP has the same bytes', async (name) => {
    const reference = await picture('processing', `clip-${name}`);
    const folder336 = mkdtempSync(join(tmpdir(), 'madakv-clip-'));
    const settings = { size: { shortest_edge: 336 }, crop_size: 336, image_mean: 0, image_std: 1, rescale_factor: 1 };
    writeFileSync(join(folder336, 'preprocessor_config.json'), JSON.stringify(settings));
    const { family, config } = openModel(join(FIXTURES, 'llava-plain', 'checkpoint')) as OpenModel & {
      config: LlavaConfig;
    };
    const at336 = { ...config, vision: { ...config.vision, imageSize: 336 } };
    const processor = family.imageProcessor?.(new CheckpointFolder(folder336), at336);
    if (processor === undefined) throw new Error('the family takes no images');
    const { pixels, dims } = processor.process(await picture('images', name));
    rmSync(folder336, { recursive: true });
    expect(dims).toEqual([3, 336, 336]);
    const interleaved = Uint8Array.from(
      { length: pixels.length },
      (_, i) => pixels[(i % 3) * 336 * 336 + Math.floor(i / 3)],
    );
    expect(compare(interleaved, reference.data)).toEqual({ most: 0, share: 0 });
  });

  it('finds the same sizes', () => {
    const rows = readJson(join(folder, 'smart-sizes.json')) as number[][];
    for (const [height, width, toHeight, toWidth] of rows) {
      const size = smartSize({ width, height }, 28, { min: 56 * 56, max: 28 * 28 * 1280 });
      expect([height, width, size.height, size.width]).toEqual([height, width, toHeight, toWidth]);
    }
  });
});

describe('window layout', () => {
  const config = openModel(join(FIXTURES, 'qwen-plain', 'checkpoint')).config as QwenConfig;

  it.each(expected.windows.map((grid, number) => ({ grid, number })))('of $grid', ({ grid, number }) => {
    const [frames, rows, cols] = grid;
    const layout = visionLayout({ frames, rows, cols }, config.vision);
    const floats = (name: string): Float32Array => new Float32Array(bytesOf(`window-${number}-${name}`));
    const ints = (name: string): number[] => Array.from(new Int32Array(bytesOf(`window-${number}-${name}`)));
    expect(Array.from(layout.cellOrder)).toEqual(ints('order'));
    expect(Array.from(layout.windowStarts)).toEqual(ints('bounds'));
    for (const part of ['cos', 'sin'] as const) {
      const reference = floats(part);
      expect(layout[part]).toHaveLength(reference.length);
      const apart = reference.reduce((most, value, i) => Math.max(most, Math.abs(value - layout[part][i])), 0);
      expect(apart).toBeLessThan(2e-6);
    }
  });
});
