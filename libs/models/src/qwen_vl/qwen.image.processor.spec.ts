import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { smartSize } from './qwen.image.processor.js';

const range = { min: 56 * 56, max: 28 * 28 * 1280 };

describe('smartSize', () => {
  it('gives multiples of the factor within the range', () => {
    const side = fc.integer({ min: 30, max: 4000 });
    fc.assert(
      fc.property(side, side, (width, height) => {
        const size = smartSize({ width, height }, 28, range);
        expect([size.width % 28, size.height % 28]).toEqual([0, 0]);
        expect(size.width * size.height).toBeGreaterThanOrEqual(range.min);
        expect(size.width * size.height).toBeLessThanOrEqual(range.max);
      }),
    );
  });

  it('rounds halves to even, as the reference does', () => {
    expect(smartSize({ width: 70, height: 98 }, 28, { min: 1, max: 1e6 })).toEqual({ width: 56, height: 112 });
  });

  it('refuses a ribbon', () => {
    expect(() => smartSize({ width: 4020, height: 20 }, 28, range)).toThrow('one side is more than 200 times the other');
  });
});
