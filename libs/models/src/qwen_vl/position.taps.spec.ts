import { expect, it } from 'vitest';
import { positionTaps, TAPS } from './position.taps.js';

const SIDE = 5;
/** Row and column that a patch's taps amount to in the middle. */
function place({ taps, shares }: ReturnType<typeof positionTaps>, patch: number): [number, number] {
  let [row, col] = [0, 0];
  for (let i = patch * TAPS; i < (patch + 1) * TAPS; i++) {
    row += shares[i] * Math.floor(taps[i] / SIDE);
    col += shares[i] * (taps[i] % SIDE);
  }
  return [row, col];
}

it('stretches the square over the image, corners onto corners, patches merge block by merge block', () => {
  const found = positionTaps({ frames: 1, rows: 2, cols: 6 }, SIDE, 2);
  const places = Array.from({ length: 12 }, (_, patch) => place(found, patch).map((value) => Number(value.toFixed(4))));
  expect(places.slice(0, 4)).toEqual([
    [0, 0],
    [0, 0.8],
    [4, 0],
    [4, 0.8],
  ]);
  expect(places.at(-1)).toEqual([4, 4]);
  expect(Math.max(...found.taps)).toBeLessThan(SIDE ** 2);
  for (let patch = 0; patch < 12; patch++) {
    const shares = found.shares.subarray(patch * TAPS, (patch + 1) * TAPS);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
  }
});

it('is the same in every frame, and stands a single row at the beginning', () => {
  const { taps, shares } = positionTaps({ frames: 2, rows: 1, cols: 1 }, SIDE, 1);
  expect([...taps.subarray(0, TAPS)]).toEqual([...taps.subarray(TAPS)]);
  expect([...shares]).toEqual([1, 0, 0, 0, 1, 0, 0, 0]);
});
