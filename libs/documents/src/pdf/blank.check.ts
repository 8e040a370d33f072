import type { Box } from './page.matrix.js';

/** Pixels: [height, width, 4], rows from the top; the fourth of each four bytes means nothing. */
export interface Pixels {
  readonly rgba: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Of a region, a side. */
const SAMPLES = 64;

/** Whether nothing but white is to be seen. */
export function isBlank({ rgba }: Pick<Pixels, 'rgba'>): boolean {
  for (let at = 0; at < rgba.length; at += 4) {
    if ((rgba[at] & rgba[at + 1] & rgba[at + 2]) !== 255) return false;
  }
  return true;
}

/**
 * Whether a region looks as if nothing had been drawn there but a little on top: one colour has the share given of what is
 * looked at.
 * @param box in pixels, from the top: `bottom` is the larger one
 */
export function isEven({ rgba, width, height }: Pixels, { left, right, top, bottom }: Box, share: number): boolean {
  const [x0, x1] = [Math.max(0, Math.ceil(left)), Math.min(width, Math.floor(right))];
  const [y0, y1] = [Math.max(0, Math.ceil(top)), Math.min(height, Math.floor(bottom))];
  const [stepX, stepY] = [Math.max(1, (x1 - x0) / SAMPLES), Math.max(1, (y1 - y0) / SAMPLES)];
  const counts = new Map<number, number>();
  let seen = 0;
  for (let y = y0; y < y1; y += stepY) {
    for (let x = x0; x < x1; x += stepX) {
      const at = 4 * (Math.floor(y) * width + Math.floor(x));
      const colour = (rgba[at] << 16) | (rgba[at + 1] << 8) | rgba[at + 2];
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
      seen++;
    }
  }
  return seen > 0 && Math.max(...counts.values()) >= share * seen;
}
