import { describe, expect, it } from 'vitest';
import { fitPage, type BitmapRules, type PageContent } from './page.geometry.js';

const RULES: BitmapRules = { dpi: 140, maxPixels: 12_000_000, maxSide: 65_500, multipleOf: 1 };
const LETTER_PIXELS = 1190 * 1540;

function page(widthPoints: number, heightPoints: number, images: Partial<PageContent> = {}): PageContent {
  return { widthPoints, heightPoints, imageDpi: 0, imagesOnly: false, ...images };
}
const LETTER = page(612, 792);

describe('fitPage', () => {
  it('takes the resolution asked for where it fits', () => {
    expect(fitPage(LETTER, RULES)).toEqual({ width: 1190, height: 1540, dpi: 140 });
    expect(fitPage(page(842, 1191), RULES).dpi).toBe(140);
  });

  it('rounds each side to the nearest multiple', () => {
    expect(fitPage(LETTER, { ...RULES, multipleOf: 28 })).toMatchObject({ width: 43 * 28, height: 55 * 28 });
  });

  it('never comes out with more pixels than allowed', () => {
    const { width, height, dpi } = fitPage(LETTER, { ...RULES, multipleOf: 28, maxPixels: 500_000 });
    expect([width % 28, height % 28]).toEqual([0, 0]);
    expect(width * height).toBeLessThanOrEqual(500_000);
    expect(width * height).toBeGreaterThan(500_000 * 0.9);
    expect(dpi).toBeLessThan(75);
  });

  it('never comes out longer than the format can hold', () => {
    const strip = fitPage(page(300, 14_400), { ...RULES, maxSide: 16_383 });
    expect(strip).toMatchObject({ width: 341, height: 16_383 });
  });

  it('draws a low resolution that was asked for', () => {
    expect(fitPage(LETTER, { ...RULES, dpi: 18 })).toEqual({ width: 153, height: 198, dpi: 18 });
  });

  it.each([14_400, 1e6, 1e9])('takes a page of %d points a side with the pixels allowed', (side) => {
    const { width, height } = fitPage(page(side, side), RULES);
    expect(width).toBe(height);
    expect(width * height).toBeLessThanOrEqual(RULES.maxPixels);
    expect(width * height).toBeGreaterThan(RULES.maxPixels * 0.99);
  });

  it.each([
    [1, 1],
    [8.5, 11],
    [1e-3, 1e-3],
    [30, 3],
  ])('gives a page of %d x %d points a sixteenth of a letter’s pixels', (width, height) => {
    const drawn = fitPage(page(width, height), RULES);
    expect(drawn.width * drawn.height).toBeGreaterThan((LETTER_PIXELS / 16) * 0.97);
    expect(drawn.width * drawn.height).toBeLessThan((LETTER_PIXELS / 16) * 1.03);
    expect(drawn.width / drawn.height / (width / height)).toBeCloseTo(1, 1);
  });

  it('gives a sliver of a page at least one multiple, within the pixels allowed', () => {
    for (const sliver of [page(1, 700), page(14_400, 0.5)]) {
      const { width, height } = fitPage(sliver, { ...RULES, multipleOf: 28, maxPixels: 112_896 });
      expect([width % 28, height % 28, Math.min(width, height)]).toEqual([0, 0, 28]);
      expect(width * height).toBeLessThanOrEqual(112_896);
    }
  });

  it('gives a small page what its images have, up to the pixels of a letter', () => {
    const label = (imageDpi: number): number => fitPage(page(120, 86, { imageDpi, imagesOnly: true }), RULES).dpi;
    expect(label(400)).toBe(400);
    // Below what it has anyway.
    expect(label(72)).toBeCloseTo(239, -1);
    const { width, height } = fitPage(page(120, 86, { imageDpi: 2_400 }), RULES);
    expect(width * height).toBeGreaterThan(LETTER_PIXELS * 0.99);
    expect(width * height).toBeLessThan(LETTER_PIXELS * 1.01);
    const few = fitPage(page(120, 86, { imageDpi: 2_400 }), { ...RULES, maxPixels: 200_000 });
    expect(few.width * few.height).toBeGreaterThan(195_000);
    expect(few.width * few.height).toBeLessThanOrEqual(200_000);
  });

  it('does not draw images that lie on ordinary pages any finer', () => {
    for (const [width, height] of [
      [420, 595],
      [396, 612],
      [612, 792],
      [595, 842],
      [596, 842],
    ]) {
      expect(fitPage(page(width, height, { imageDpi: 600, imagesOnly: true }), RULES).dpi).toBe(140);
    }
  });

  it('draws a large page that only holds images with no more than they have, but as many as an A4 page', () => {
    const photo = (imageDpi: number, imagesOnly = true) => fitPage(page(1_600, 1_200, { imageDpi, imagesOnly }), RULES);
    expect(photo(72)).toMatchObject({ width: 1_600, height: 1_200, dpi: 72 });
    expect(photo(200).dpi).toBe(140);
    expect(photo(72, false).dpi).toBe(140);
    const { width, height } = photo(10);
    expect(width * height).toBeGreaterThan(1_157 * 1_637 * 0.99);
    expect(width * height).toBeLessThan(1_157 * 1_637 * 1.01);
  });
});
