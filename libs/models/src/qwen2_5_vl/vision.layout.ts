import type { Grid } from '../family.js';
import { patchAngles } from '../qwen_vl/patch.rotary.js';
import type { QwenVisionConfig } from './qwen.vision.config.js';

/** Added to attention scores where a window is padded: the lowest float32. */
export const MASKED = -3.4028234663852886e38;

/**
 * How one image's patches are put in window order, in which every attention window is a contiguous run. Patches come from
 * the image processor merge block by merge block; a place is an index into window order.
 */
export interface VisionLayout {
  patches: number;
  /** Merged cells: visual tokens of the image. */
  cells: number;
  windows: number;
  /** Patches of a window that no edge cuts. */
  windowPatches: number;
  /** `[patches]`: patch at each place. */
  patchOrder: Int32Array;
  /** `[cells]`: cell at each place, counted in cells. */
  cellOrder: Int32Array;
  /** `[cells]`: place of each cell; puts what the merger returns back into reading order. */
  cellPlace: Int32Array;
  /** `[windows + 1]`: first place of each window, then the number of patches. */
  windowStarts: Int32Array;
  /** `[windows * windowPatches]`: place of each window's patches; padding repeats the window's first. */
  windowIndex: Int32Array;
  /** `[windows * windowPatches]`: 0 for a patch, `MASKED` for padding. */
  windowMask: Float32Array;
  /** `[patches]`: row of the padded windows for each place. */
  unpadIndex: Int32Array;
  /** `[patches, headDim / 2]` by place: the first half of the columns turns by the patch's row, the second by its column. */
  cos: Float32Array;
  /** As `cos`. */
  sin: Float32Array;
}

/**
 * Lays out one image.
 * @param grid patches; rows and columns are multiples of `mergeSize`. Frames are laid out one after the other.
 */
export function visionLayout(grid: Grid, config: QwenVisionConfig): VisionLayout {
  const unit = config.mergeSize ** 2;
  const { cellOrder, windowCells } = windowOrder(grid, config);
  const cells = cellOrder.length;
  const cellPlace = new Int32Array(cells);
  for (let place = 0; place < cells; place++) cellPlace[cellOrder[place]] = place;
  const patchOrder = new Int32Array(cells * unit);
  for (let i = 0; i < patchOrder.length; i++) patchOrder[i] = cellOrder[Math.floor(i / unit)] * unit + (i % unit);
  return {
    patches: patchOrder.length,
    cells,
    patchOrder,
    cellOrder,
    cellPlace,
    ...padWindows(windowCells, unit, config.windowCells ** 2 * unit),
    ...patchAngles(grid, patchOrder, config),
  };
}

/** Cells window by window, windows in reading order, and the number of cells in each. */
function windowOrder(grid: Grid, config: QwenVisionConfig): { cellOrder: Int32Array; windowCells: number[] } {
  const rows = grid.rows / config.mergeSize;
  const cols = grid.cols / config.mergeSize;
  const side = config.windowCells;
  const cellOrder = new Int32Array(grid.frames * rows * cols);
  const windowCells: number[] = [];
  let place = 0;
  for (let frame = 0; frame < grid.frames; frame++) {
    for (let top = 0; top < rows; top += side) {
      for (let left = 0; left < cols; left += side) {
        const first = place;
        for (let row = top; row < Math.min(rows, top + side); row++) {
          for (let col = left; col < Math.min(cols, left + side); col++) {
            cellOrder[place++] = (frame * rows + row) * cols + col;
          }
        }
        windowCells.push(place - first);
      }
    }
  }
  return { cellOrder, windowCells };
}

type Windows = Pick<VisionLayout, 'windows' | 'windowPatches' | 'windowStarts' | 'windowIndex' | 'windowMask' | 'unpadIndex'>;

function padWindows(windowCells: readonly number[], unit: number, windowPatches: number): Windows {
  const windows = windowCells.length;
  const windowStarts = new Int32Array(windows + 1);
  for (let i = 0; i < windows; i++) windowStarts[i + 1] = windowStarts[i] + windowCells[i] * unit;
  const windowIndex = new Int32Array(windows * windowPatches);
  const windowMask = new Float32Array(windows * windowPatches).fill(MASKED);
  const unpadIndex = new Int32Array(windowStarts[windows]);
  for (let i = 0; i < windows; i++) {
    const start = windowStarts[i];
    const row = i * windowPatches;
    windowIndex.fill(start, row, row + windowPatches);
    for (let j = 0; j < windowStarts[i + 1] - start; j++) {
      windowIndex[row + j] = start + j;
      windowMask[row + j] = 0;
      unpadIndex[start + j] = row + j;
    }
  }
  return { windows, windowPatches, windowStarts, windowIndex, windowMask, unpadIndex };
}
