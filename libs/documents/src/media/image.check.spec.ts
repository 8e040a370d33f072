import { crc32 } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkImage } from './image.check.js';

function blank(width: number, height: number): Sharp {
  return sharp({ create: { width, height, channels: 3, background: 'white' } });
}

/** A PNG whose header states another size. */
function claimSize(png: Buffer, width: number, height: number): Buffer {
  const changed = Buffer.from(png);
  changed.writeUInt32BE(width, 16);
  changed.writeUInt32BE(height, 20);
  changed.writeUInt32BE(crc32(changed.subarray(12, 29)), 29);
  return changed;
}

describe('checkImage', () => {
  it('reads the header of each type', async () => {
    const image = blank(30, 20);
    expect(await checkImage(await image.png().toBuffer())).toEqual({
      mediaType: 'image/png',
      width: 30,
      height: 20,
      pages: 1,
    });
    expect(await checkImage(await image.webp().toBuffer())).toMatchObject({ mediaType: 'image/webp', width: 30 });
    expect(await checkImage(await image.jpeg().toBuffer(), { declared: 'image/jpg' })).toMatchObject({ width: 30 });
  });

  it('gives the size as displayed', async () => {
    const turned = await blank(30, 20).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await checkImage(turned)).toMatchObject({ width: 20, height: 30 });
  });

  it('refuses a pixel bomb by its header', async () => {
    const bomb = claimSize(await blank(20, 20).png().toBuffer(), 20_000, 20_000);
    await expect(checkImage(bomb)).rejects.toThrow(
      'the image is 20,000 x 20,000 pixels, 400,000,000 in all; the limit is 50,000,000',
    );
    await expect(checkImage(bomb)).rejects.toMatchObject({ code: 'image_too_large' });
  });

  it('refuses a side or a file beyond the limits', async () => {
    const image = await blank(300, 2).png().toBuffer();
    await expect(checkImage(image, { maxImageSide: 200 })).rejects.toThrow('300 x 2 pixels; the limit is 200 a side');
    await expect(checkImage(image, { maxImageBytes: 10 })).rejects.toThrow(/has \d+ bytes; the limit is 10 bytes/);
  });

  it('refuses what is no image, another image than declared, and a broken header', async () => {
    const image = await blank(30, 20).png().toBuffer();
    await expect(checkImage(Buffer.from('%PDF-1.7'))).rejects.toMatchObject({ code: 'unsupported_media_type' });
    await expect(checkImage(image, { declared: 'image/webp' })).rejects.toMatchObject({ code: 'media_type_mismatch' });
    await expect(checkImage(image.subarray(0, 12))).rejects.toMatchObject({ code: 'bad_image' });
  });
});
