import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import type { ImageProcessor, ImageSize } from '../family.js';
import { imageKey } from '../image/image.key.js';
import { readProcessorSettings, resampleFilter, type SettingsFile } from '../image/processor.settings.js';
import { resize } from '../image/resample.js';
import type { RgbImage } from '../image/rgb.image.js';
import { valueTable } from '../image/value.table.js';
import { planes } from '../llava/llava.image.processor.js';
import type { LlavaNextConfig } from './llava.next.config.js';
import { fit, type Fitted, type Tiling } from './tiling.js';

/** LLaVA-NeXT's image processor. `pixels` are `[tiles, 3, size, size]`: the whole image, then its tiles row by row. */
export function llavaNextImageProcessor(folder: CheckpointFolder, { vision }: LlavaNextConfig): ImageProcessor {
  const source = readProcessorSettings(folder);
  const { tiling } = vision;
  const { tileSize } = tiling;
  checkTiles(folder, source, tiling);
  const filter = resampleFilter(folder, source);
  const table = valueTable(source.settings);
  return {
    pages: { multipleOf: 1 },
    process(image) {
      const fitted = fit(image, tiling);
      const { resized } = fitted;
      const whole = resize(image, tileSize, tileSize, filter);
      const shown = resize(image, resized.width, resized.height, filter);
      const tiles = [whole, ...cut(onCanvas(shown, fitted), tileSize)];
      const column = stacked(tiles, tileSize);
      const { patchGrid, grid, tokens } = fitted;
      const area = 3 * tileSize ** 2;
      const pixels = new Float32Array(tiles.length * area);
      tiles.forEach((tile, i) => {
        pixels.set(planes(tile, table), i * area);
      });
      return {
        pixels,
        dims: [tiles.length, 3, tileSize, tileSize],
        patchGrid,
        grid,
        tokens,
        // Two images may come to the same tiles and have other rows cut off.
        key: imageKey(column, [patchGrid, grid, Array.from(table.subarray(0, 2))]),
      };
    },
    layout(size) {
      const { patchGrid, grid, tokens } = fit(size, tiling);
      return { patchGrid, grid, tokens };
    },
  };
}

/** @throws CheckpointError where the processor's settings are for other tiles than the tower's */
function checkTiles(folder: CheckpointFolder, { file, settings }: SettingsFile, { tileSize, canvases }: Tiling): void {
  const sides = [settings.size ?? 224, settings.crop_size ?? 224].flatMap((size) =>
    typeof size === 'number' ? [size] : [size.shortest_edge, size.height, size.width],
  );
  const other = sides.find((side) => side != null && side !== tileSize);
  if (other != null) {
    throw new CheckpointError(
      'bad_value',
      `${folder.path(file)}: makes tiles of ${other} pixels, the vision tower takes ${tileSize}`,
    );
  }
  const own = settings.image_grid_pinpoints;
  const known = canvases.map(({ height, width }) => [height, width]);
  if (own != null && JSON.stringify(own) !== JSON.stringify(known)) {
    throw new CheckpointError('bad_value', `${folder.path(file)}: image_grid_pinpoints are not those of config.json`);
  }
}

/** In the middle, on black; an odd pixel more of it behind the image. */
function onCanvas(image: RgbImage, { canvas }: Fitted): RgbImage {
  const data = new Uint8Array(canvas.width * canvas.height * 3);
  const left = Math.floor((canvas.width - image.width) / 2);
  const top = Math.floor((canvas.height - image.height) / 2);
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    data.set(row, ((top + y) * canvas.width + left) * 3);
  }
  return { ...canvas, data };
}

function cut(image: RgbImage, size: number): RgbImage[] {
  const tiles: RgbImage[] = [];
  for (let top = 0; top < image.height; top += size) {
    for (let left = 0; left < image.width; left += size) {
      const data = new Uint8Array(size * size * 3);
      for (let y = 0; y < size; y++) {
        const from = ((top + y) * image.width + left) * 3;
        data.set(image.data.subarray(from, from + size * 3), y * size * 3);
      }
      tiles.push({ width: size, height: size, data });
    }
  }
  return tiles;
}

/** All tiles as one image, one below the other. */
function stacked(tiles: readonly RgbImage[], size: number): RgbImage & ImageSize {
  const data = new Uint8Array(tiles.length * size * size * 3);
  tiles.forEach((tile, i) => {
    data.set(tile.data, i * size * size * 3);
  });
  return { width: size, height: size * tiles.length, data };
}
