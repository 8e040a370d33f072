import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resize } from './resample.js';

const side = fc.integer({ min: 1, max: 60 });

describe('resize', () => {
  it('keeps a plain colour, whatever the sizes', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.integer({ min: 0, max: 255 }), (width, height, toWidth, toHeight, grey) => {
        const image = { width, height, data: new Uint8Array(width * height * 3).fill(grey) };
        const resized = resize(image, toWidth, toHeight, 'bicubic');
        expect(resized.data).toHaveLength(toWidth * toHeight * 3);
        expect(resized.data.every((value) => Math.abs(value - grey) <= 1)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('leaves an image of the right size as it is', () => {
    const image = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    expect(resize(image, 2, 1, 'bicubic').data).toEqual(image.data);
  });

  it('keeps the channels apart', () => {
    const data = Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => [10, 100, 200][i % 3]);
    const resized = resize({ width: 40, height: 30, data }, 17, 45, 'bilinear');
    expect([...resized.data.subarray(0, 3)]).toEqual([10, 100, 200]);
    expect([...resized.data.subarray(-3)]).toEqual([10, 100, 200]);
  });

  it('clamps where the cubic filter overshoots', () => {
    const data = Uint8Array.from({ length: 20 * 3 }, (_, i) => (i < 30 ? 0 : 255));
    const { data: resized } = resize({ width: 20, height: 1, data }, 61, 1, 'bicubic');
    expect(resized[0]).toBe(0);
    expect(resized.at(-1)).toBe(255);
    expect(Math.max(...resized)).toBe(255);
  });
});
