import type { Grid } from '../family.js';
import type { RotaryTable } from '../rotary.table.js';

/** The part of a vision tower that the angles depend on. */
export interface PatchRotary {
  readonly headDim: number;
  readonly ropeTheta: number;
  readonly mergeSize: number;
}

/**
 * Rotary angles of patches, `[patches, headDim / 2]`: the first half of the columns turns by the patch's row, the second by its column.
 * @param order patch at each place; patches are counted merge block by merge block, frame after frame
 */
export function patchAngles(grid: Grid, order: Int32Array, config: PatchRotary): RotaryTable {
  const quarter = config.headDim / 4;
  // Rounded to float32 where the reference rounds.
  const speed = Float32Array.from({ length: quarter }, (_, i) => {
    return 1 / Math.fround(config.ropeTheta ** Math.fround((4 * i) / config.headDim));
  });
  const cos = new Float32Array(order.length * 2 * quarter);
  const sin = new Float32Array(cos.length);
  for (let place = 0, at = 0; place < order.length; place++) {
    for (const position of patchPosition(order[place], grid, config.mergeSize)) {
      for (let i = 0; i < quarter; i++, at++) {
        const angle = Math.fround(position * speed[i]);
        cos[at] = Math.cos(angle);
        sin[at] = Math.sin(angle);
      }
    }
  }
  return { cos, sin };
}

/** Row and column of a patch that is counted merge block by merge block. */
export function patchPosition(patch: number, grid: Grid, merge: number): [row: number, col: number] {
  const inFrame = patch % (grid.rows * grid.cols);
  const block = Math.floor(inFrame / merge ** 2);
  const blocksAcross = grid.cols / merge;
  const row = Math.floor(block / blocksAcross) * merge + (Math.floor(inFrame / merge) % merge);
  const col = (block % blocksAcross) * merge + (inFrame % merge);
  return [row, col];
}
