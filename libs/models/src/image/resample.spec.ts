import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resize, resizedPart } from './resample.js';

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

  it('gives a part as the whole has it', () => {
    fc.assert(
      fc.property(side, side, side, side, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }), (width, height, toWidth, toHeight, at) => {
        const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251);
        const [left, top] = [Math.floor(at[0] * (toWidth - 1)), Math.floor(at[1] * (toHeight - 1))];
        const part = { left, top, width: 1 + Math.floor(at[2] * (toWidth - left - 1)), height: 1 + Math.floor(at[3] * (toHeight - top - 1)) };
        const whole = resize({ width, height, data }, toWidth, toHeight, 'bicubic').data;
        const rows = Array.from({ length: part.height }, (_, y) => {
          const start = ((top + y) * toWidth + left) * 3;
          return [...whole.subarray(start, start + part.width * 3)];
        });
        const found = resizedPart({ width, height, data }, { width: toWidth, height: toHeight }, 'bicubic', part);
        expect([...found.data]).toEqual(rows.flat());
      }),
      { numRuns: 100 },
    );
  });

  it('gives a part of millions of pixels at the cost of the part', () => {
    const line = { width: 20_000, height: 1, data: new Uint8Array(60_000).fill(9) };
    const part = { left: 3_359_832, top: 0, width: 336, height: 336 };
    const found = resizedPart(line, { width: 6_720_000, height: 336 }, 'bicubic', part);
    expect(found.data).toHaveLength(336 * 336 * 3);
    expect(found.data.every((value) => value === 9)).toBe(true);
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
