import { describe, expect, it } from 'vitest';
import { fitPage, type BitmapRules } from './page.geometry.js';

const LETTER = { widthPoints: 612, heightPoints: 792 };
const RULES: BitmapRules = {
  dpi: 140,
  maxPixels: 12_000_000,
  maxSide: 65_500,
  multipleOf: 1,
  minDpi: 36,
  maxPagePoints: 14_400,
};

describe('fitPage', () => {
  it('takes the resolution asked for where it fits', () => {
    expect(fitPage(1, LETTER, RULES)).toEqual({ width: 1190, height: 1540, dpi: 140 });
  });

  it('rounds each side to the nearest multiple', () => {
    expect(fitPage(1, LETTER, { ...RULES, multipleOf: 28 })).toMatchObject({ width: 43 * 28, height: 55 * 28 });
  });

  it('never comes out with more pixels than allowed', () => {
    const { width, height, dpi } = fitPage(1, LETTER, { ...RULES, multipleOf: 28, maxPixels: 500_000 });
    expect([width % 28, height % 28]).toEqual([0, 0]);
    expect(width * height).toBeLessThanOrEqual(500_000);
    expect(width * height).toBeGreaterThan(500_000 * 0.9);
    expect(dpi).toBeLessThan(75);
  });

  it('never comes out longer than the format can hold', () => {
    const strip = fitPage(1, { widthPoints: 300, heightPoints: 14_400 }, { ...RULES, maxSide: 16_383 });
    expect(strip).toMatchObject({ width: 341, height: 16_383 });
  });

  it('gives a sliver of a page at least one multiple', () => {
    expect(fitPage(1, { widthPoints: 1, heightPoints: 700 }, { ...RULES, multipleOf: 28 }).width).toBe(28);
  });

  it('draws a low resolution that was asked for', () => {
    expect(fitPage(1, LETTER, { ...RULES, dpi: 18 })).toEqual({ width: 153, height: 198, dpi: 18 });
  });

  it('refuses sides beyond the limit and pages that would be unreadable', () => {
    const side = () => fitPage(3, { widthPoints: 20_000, heightPoints: 10 }, RULES);
    expect(side).toThrow('page 3 is 20,000 x 10 points; the limit is 14,400 a side');
    const pixels = () => fitPage(2, { widthPoints: 14_400, heightPoints: 14_400 }, RULES);
    expect(pixels).toThrow(/12,000,000 pixels it would come out at 17.3 dpi, below the least of 36/);
    expect(pixels).toThrow(expect.objectContaining({ code: 'page_too_large' }));
  });
});
