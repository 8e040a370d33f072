import type { Grid } from '../family.js';
import { patchPosition } from './patch.rotary.js';

/** Points of the learned square that a patch lies between. */
export const TAPS = 4;

/** Where each patch lies in the square of learned positions. */
export interface PositionTaps {
  /** `[patches, 4]`: points around it, counted row by row. */
  readonly taps: Int32Array;
  /** `[patches, 4]`: how much of each; together 1. */
  readonly shares: Float32Array;
}

/**
 * Stretches a square of learned positions over an image, corners onto corners, bilinearly.
 * @param side points along one side of the square
 */
export function positionTaps(grid: Grid, side: number, merge: number): PositionTaps {
  const patches = grid.frames * grid.rows * grid.cols;
  const taps = new Int32Array(patches * TAPS);
  const shares = new Float32Array(patches * TAPS);
  for (let patch = 0, at = 0; patch < patches; patch++) {
    const [row, col] = patchPosition(patch, grid, merge);
    const across = pointsAround(col, grid.cols, side);
    for (const [y, ofRow] of pointsAround(row, grid.rows, side)) {
      for (const [x, ofColumn] of across) {
        taps[at] = y * side + x;
        shares[at++] = ofRow * ofColumn;
      }
    }
  }
  return { taps, shares };
}

/** The two points around one of `count` places, with the share of each. Rounded to float32 where the reference rounds. */
function pointsAround(index: number, count: number, side: number): [point: number, share: number][] {
  const at = Math.fround((index * (side - 1)) / Math.max(count - 1, 1));
  const floor = Math.floor(at);
  const rest = Math.fround(at - floor);
  return [
    [Math.min(floor, side - 1), Math.fround(1 - rest)],
    [Math.min(floor + 1, side - 1), rest],
  ];
}
