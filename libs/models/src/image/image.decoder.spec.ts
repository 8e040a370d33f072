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

  it('refuses what is not an image, is cut off or is too large', async () => {
    const png = await sharp(rgb, { raw }).png().toBuffer();
    await expect(decodeImage(Buffer.from('not an image'))).rejects.toThrow(ImageError);
    await expect(decodeImage(png.subarray(0, 60))).rejects.toThrow('not an image that can be read');
    await expect(decodeImage(png, { maxPixels: 5 })).rejects.toThrow(ImageError);
    await expect(decodeImage(new Uint8Array(0))).rejects.toThrow(ImageError);
  });
});
