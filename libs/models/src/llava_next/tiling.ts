import type { Grid, ImageLayout, ImageSize } from '../family.js';
import { ImageError } from '../image/image.decoder.js';

/** What an image is fitted into: a number of the tower's squares. */
export interface Tiling {
  /** Pixels along one side of a tile. */
  readonly tileSize: number;
  /** Patches along one side of a tile. */
  readonly side: number;
  /** Sizes that an image may be fitted into; multiples of `tileSize`. */
  readonly canvases: readonly ImageSize[];
}

/** How one image is fitted. */
export interface Fitted extends ImageLayout {
  readonly canvas: ImageSize;
  /** Of the image on the canvas, in its middle. */
  readonly resized: ImageSize;
}

/**
 * Fits an image into the canvas that keeps most of its pixels, of those the smallest ("AnyRes"). What the decoder sees is the whole
 * image as one tile, and then the cells of all tiles row by row without those that only show padding, each row ended by a cell that
 * stands for a new line: the grid is that of the latter, with the new lines as its last column.
 * @throws ImageError for a shape of which nothing is left
 */
export function fit(image: ImageSize, { tileSize, side, canvases }: Tiling): Fitted {
  const canvas = bestCanvas(image, canvases);
  const patchGrid: Grid = {
    frames: 1,
    rows: (canvas.height / tileSize) * side,
    cols: (canvas.width / tileSize) * side,
  };
  const { rows, cols } = withoutPadding(image, patchGrid);
  if (rows < 1 || cols < 1) throw tooThin(image);
  const grid = { frames: 1, rows, cols: cols + 1 };
  return { canvas, resized: resizedWithin(image, canvas), patchGrid, grid, tokens: side ** 2 + rows * (cols + 1) };
}

/**
 * Rows of the tower's features in the order that the decoder sees them.
 * @returns `[tokens]`; the row behind all tiles is the new line's
 */
export function featureOrder({ patchGrid, grid, tokens }: ImageLayout, side: number): Int32Array {
  const order = new Int32Array(tokens);
  const across = patchGrid.cols / side;
  const newLine = side ** 2 * (1 + across * (patchGrid.rows / side));
  const [top, left] = [(patchGrid.rows - grid.rows) / 2, (patchGrid.cols - (grid.cols - 1)) / 2];
  let at = 0;
  for (; at < side ** 2; at++) order[at] = at;
  for (let row = top; row < top + grid.rows; row++) {
    for (let col = left; col < left + grid.cols - 1; col++) {
      const tile = 1 + Math.floor(row / side) * across + Math.floor(col / side);
      order[at++] = tile * side ** 2 + (row % side) * side + (col % side);
    }
    order[at++] = newLine;
  }
  return order;
}

function bestCanvas(image: ImageSize, canvases: readonly ImageSize[]): ImageSize {
  let best: ImageSize | undefined;
  let [most, least] = [0, Infinity];
  for (const canvas of canvases) {
    const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
    const scaled = Math.trunc(image.width * scale) * Math.trunc(image.height * scale);
    const kept = Math.min(scaled, image.width * image.height);
    const wasted = canvas.width * canvas.height - kept;
    if (kept < most || (kept === most && wasted >= least)) continue;
    [best, most, least] = [canvas, kept, wasted];
  }
  if (best === undefined || most === 0) throw tooThin(image);
  return best;
}

function resizedWithin(image: ImageSize, canvas: ImageSize): ImageSize {
  const [across, down] = [canvas.width / image.width, canvas.height / image.height];
  if (across < down) {
    return { width: canvas.width, height: Math.min(Math.ceil(image.height * across), canvas.height) };
  }
  return { width: Math.min(Math.ceil(image.width * down), canvas.width), height: canvas.height };
}

/** As many patches are cut off on either side as show nothing but padding. */
function withoutPadding(image: ImageSize, { rows, cols }: Grid): { readonly rows: number; readonly cols: number } {
  if (image.width / image.height > cols / rows) {
    return { rows: rows - cutOff(rows, image.height * (cols / image.width)), cols };
  }
  return { rows, cols: cols - cutOff(cols, image.width * (rows / image.height)) };
}

function cutOff(length: number, shown: number): number {
  return 2 * Math.floor((length - Math.trunc(Number(shown.toFixed(7)))) / 2);
}

function tooThin({ width, height }: ImageSize): ImageError {
  return new ImageError(`${width} x ${height}: too thin, nothing would be left of it`);
}
