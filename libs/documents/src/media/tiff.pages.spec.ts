import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { tiff } from '../testing/index.js';
import { checkImage } from './image.check.js';
import { tiffPageCount, tiffPages, type TiffPage } from './tiff.pages.js';

async function read(bytes: Uint8Array, pages: number[], limits = {}): Promise<TiffPage[]> {
  const found: TiffPage[] = [];
  for await (const page of tiffPages(bytes, pages, limits)) found.push(page);
  return found;
}

async function greyOf({ bytes }: TiffPage): Promise<number> {
  return (await sharp(bytes).raw().toBuffer())[0];
}

describe('tiffPages', () => {
  it('gives the pages asked for, as PNGs', async () => {
    const bytes = tiff([
      { width: 30, height: 20, grey: 10 },
      { width: 40, height: 25, grey: 90 },
      { width: 8, height: 9, grey: 200 },
    ]);
    expect(await checkImage(bytes)).toEqual({ mediaType: 'image/tiff', width: 30, height: 20, pages: 3 });
    const pages = await read(bytes, [2, 3]);
    expect(pages.map(({ page, width, height }) => [page, width, height])).toEqual([
      [2, 40, 25],
      [3, 8, 9],
    ]);
    expect(await Promise.all(pages.map(greyOf))).toEqual([90, 200]);
    for (const { bytes: png, width, height } of pages) {
      expect(await sharp(png).metadata()).toMatchObject({ format: 'png', width, height, channels: 1 });
    }
  });

  it('passes over previews, smaller copies and masks', async () => {
    const bytes = tiff([
      { width: 30, height: 20, grey: 10, subfile: 0 },
      { width: 6, height: 4, grey: 10, subfile: 1 },
      { width: 30, height: 20, grey: 90, subfile: 2 },
      { width: 30, height: 20, grey: 0, subfile: 6 },
      { width: 8, height: 9, grey: 200, resolution: { x: 100, y: 200 } },
    ]);
    expect(await tiffPageCount(bytes)).toBe(3);
    const pages = await read(bytes, [1, 2, 3]);
    expect(pages.map(({ page, width, height }) => [page, width, height])).toEqual([
      [1, 30, 20],
      [2, 30, 20],
      [3, 16, 9],
    ]);
    expect(await Promise.all(pages.map(greyOf))).toEqual([10, 90, 200]);
    // A file of nothing else has a page nevertheless.
    const preview = tiff([{ width: 6, height: 4, subfile: 1 }]);
    expect([await tiffPageCount(preview), (await read(preview, [1])).length]).toEqual([1, 1]);
    const pyramid = sharp({ create: { width: 900, height: 700, channels: 3, background: 'red' } });
    expect(await tiffPageCount(await pyramid.tiff({ pyramid: true, tile: true }).toBuffer())).toBe(1);
  });

  it('ends where directories lead in a circle', async () => {
    const bytes = tiff([
      { width: 30, height: 20 },
      { width: 3, height: 2 },
    ]);
    const [, second] = [bytes.readUInt32LE(4), bytes.length - 4];
    bytes.writeUInt32LE(bytes.readUInt32LE(4), second);
    expect(await tiffPageCount(bytes)).toBeGreaterThan(0);
    expect(await read(bytes, [1])).toHaveLength(1);
  });

  it('makes the pixels of a fax square', async () => {
    const fax = { width: 204, height: 98, resolution: { x: 204, y: 98 } };
    const [page] = await read(tiff([fax]), [1]);
    expect([page.width, page.height]).toEqual([204, 204]);
    const [turned] = await read(tiff([{ ...fax, orientation: 6 }]), [1]);
    expect([turned.width, turned.height]).toEqual([204, 204]);
    const [odd] = await read(tiff([{ ...fax, resolution: { x: 1, y: 300 } }]), [1]);
    expect([odd.width, odd.height]).toEqual([204, 98]);
  });

  it('turns pages upright', async () => {
    const [page] = await read(tiff([{ width: 30, height: 20, orientation: 6 }]), [1]);
    expect([page.width, page.height]).toEqual([20, 30]);
  });

  it('keeps colours, and lays transparency over white', async () => {
    const red = sharp({ create: { width: 4, height: 4, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.5 } } });
    const [page] = await read(await red.tiff({ compression: 'lzw' }).toBuffer(), [1]);
    const pixel = await sharp(page.bytes).raw().toBuffer();
    expect([pixel[0], pixel[1] > 100 && pixel[1] < 150]).toEqual([255, true]);
  });

  it('checks each page before it is decoded', async () => {
    const bytes = tiff([
      { width: 30, height: 20 },
      { width: 300, height: 200 },
    ]);
    expect(await read(bytes, [1], { maxImagePixels: 1000 })).toHaveLength(1);
    await expect(read(bytes, [2], { maxImagePixels: 1000 })).rejects.toMatchObject({
      code: 'image_too_large',
      message: 'page 2 of the image is 300 x 200 pixels, 60,000 in all; the limit is 1,000',
    });
  });

  it('refuses what cannot be decoded, naming the page', async () => {
    const whole = tiff([{ width: 300, height: 200 }]);
    // The pixels come first in the file: a directory that points behind its end.
    const cut = Buffer.from(whole);
    const directory = cut.readUInt32LE(4);
    cut.writeUInt32LE(0x0fffffff, directory + 2 + 12 * 5 + 8);
    await expect(read(cut, [1])).rejects.toMatchObject({ code: 'bad_image', message: /^page 1 of the image cannot/ });
  });
});
