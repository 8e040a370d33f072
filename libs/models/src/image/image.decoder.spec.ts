import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage, ImageError } from './image.decoder.js';

const raw = { width: 3, height: 2, channels: 3 } as const;
const rgb = Uint8Array.from({ length: 18 }, (_, i) => i * 14);
const rgba = Uint8Array.of(200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 128);

describe('decodeImage', () => {
  it('reads lossless formats exactly', async () => {
    const image = sharp(rgb, { raw });
    for (const bytes of [await image.png().toBuffer(), await image.webp({ lossless: true }).toBuffer()]) {
      expect(await decodeImage(bytes)).toEqual({ width: 3, height: 2, data: rgb });
    }
  });

  it('lays transparency over white', async () => {
    const png = await sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    expect([...(await decodeImage(png)).data]).toEqual([200, 100, 0, 255, 255, 255, 227, 177, 127]);
  });

  it('turns an image upright', async () => {
    const jpeg = await sharp(rgb, { raw }).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { width, height } = await decodeImage(jpeg);
    expect([width, height]).toEqual([2, 3]);
  });

  it.each([
    [4, 8],
    [5, 8],
    [4, 16],
    [5, 16],
  ])('reads inks of %d channels of %d bits', async (channels, bits) => {
    const scale = bits === 8 ? 1 : 257;
    // Magenta, half of black, nothing.
    const inks = [
      [0, 255, 0, 0],
      [0, 0, 0, 128],
      [0, 0, 0, 0],
    ].map((ink) => [...ink, 77].slice(0, channels).map((value) => value * scale));
    const { data, ...size } = await decodeImage(tiffOfInks(inks, bits));
    expect(size).toEqual({ width: 3, height: 1 });
    expect([...data]).toEqual([255, 0, 255, 127, 127, 127, 255, 255, 255]);
  });

  it('refuses what is not an image, is cut off or is too large', async () => {
    const png = await sharp(rgb, { raw }).png().toBuffer();
    await expect(decodeImage(Buffer.from('not an image'))).rejects.toThrow(ImageError);
    await expect(decodeImage(png.subarray(0, 60))).rejects.toThrow('not an image that can be read');
    await expect(decodeImage(png, { maxPixels: 5 })).rejects.toThrow(ImageError);
    await expect(decodeImage(new Uint8Array(0))).rejects.toThrow(ImageError);
  });
});

/** An uncompressed TIFF of one line of inks (TIFF 6.0, section 16). */
function tiffOfInks(pixels: readonly (readonly number[])[], bits: number): Buffer {
  const channels = pixels[0].length;
  const values = pixels.flat();
  const data = Buffer.alloc(values.length * (bits / 8));
  values.forEach((value, i) => (bits === 8 ? data.writeUInt8(value, i) : data.writeUInt16LE(value, 2 * i)));
  const depths = Buffer.alloc(2 * channels);
  for (let i = 0; i < channels; i++) depths.writeUInt16LE(bits, 2 * i);
  const [depthsAt, dataAt] = [8, 8 + depths.length];
  // Tag, type (3 is a short, 4 a long), count, value or where it stands.
  const entries = [
    [256, 4, 1, pixels.length],
    [257, 4, 1, 1],
    [258, 3, channels, depthsAt],
    [259, 3, 1, 1],
    [262, 3, 1, 5],
    [273, 4, 1, dataAt],
    [277, 3, 1, channels],
    [278, 4, 1, 1],
    [279, 4, 1, data.length],
    ...(channels > 4 ? [[338, 3, channels - 4, 0]] : []),
  ];
  const directory = Buffer.alloc(2 + 12 * entries.length + 4);
  directory.writeUInt16LE(entries.length, 0);
  entries.forEach(([tag, type, count, value], i) => {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(type, 4 + 12 * i);
    directory.writeUInt32LE(count, 6 + 12 * i);
    directory.writeUInt32LE(value, 10 + 12 * i);
  });
  const head = Buffer.alloc(8);
  head.write('II', 0);
  head.writeUInt16LE(42, 2);
  const padding = Buffer.alloc(data.length % 2);
  head.writeUInt32LE(dataAt + data.length + padding.length, 4);
  return Buffer.concat([head, depths, data, padding, directory]);
}
