import sharp from 'sharp';
import type { PageLayer } from './explanation.js';

/** A page as it was read: its picture and its cells. */
export interface PageGrid {
  readonly rows: number;
  readonly cols: number;
}

/** Cells are outlined, the strongest first, until they carry this share of a layer's evidence. */
const OUTLINED_SHARE = 0.6;
/** A cell with less evidence than so many times the page's mean is not: some layers look everywhere. */
const OUTLINED_TIMES_MEAN = 4;
/** Width in pixels of a layer's picture on the sheet. */
const SHEET_WIDTH = 420;
const CAPTION_HEIGHT = 26;

/**
 * Draws what one layer kept over the page: kept cells are bright, the darker a cell the fewer heads kept it. Cells that the
 * right answer is read from have a frame: green where a head kept them, red where all dropped them.
 * @returns PNG
 */
export async function overlay(page: Uint8Array, grid: PageGrid, layer: PageLayer, heads: number): Promise<Buffer> {
  const { data, info } = await sharp(page).flatten({ background: '#fff' }).png().toBuffer({ resolveWithObject: true });
  const svg = overlaySvg(info.width, info.height, grid, layer, heads);
  return sharp(data)
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

/** All layers of one page on a sheet, each with a caption. @param layers PNG files of equal size. @returns PNG */
export async function contactSheet(layers: readonly Buffer[], captions: readonly string[]): Promise<Buffer> {
  const small = await Promise.all(
    layers.map((png) => sharp(png).resize({ width: SHEET_WIDTH }).png().toBuffer({ resolveWithObject: true })),
  );
  const height = small[0].info.height + CAPTION_HEIGHT;
  const columns = Math.min(6, Math.ceil(Math.sqrt(layers.length)));
  const rows = Math.ceil(layers.length / columns);
  const tiles = small.flatMap(({ data }, i) => {
    const [left, top] = [(i % columns) * (SHEET_WIDTH + 8), Math.floor(i / columns) * height];
    return [
      { input: Buffer.from(captionSvg(captions[i])), left, top },
      { input: data, left, top: top + CAPTION_HEIGHT },
    ];
  });
  const size = { width: columns * (SHEET_WIDTH + 8), height: rows * height };
  return sharp({ create: { ...size, channels: 3, background: '#ffffff' } })
    .composite(tiles)
    .png()
    .toBuffer();
}

/** @returns SVG of the page's size */
export function overlaySvg(
  width: number,
  height: number,
  { rows, cols }: PageGrid,
  { keptBy, evidence }: PageLayer,
  heads: number,
): string {
  const outlined = strongest(evidence);
  const [cellWidth, cellHeight] = [width / cols, height / rows];
  const cells: string[] = [];
  for (let cell = 0; cell < rows * cols; cell++) {
    const [x, y] = [(cell % cols) * cellWidth, Math.floor(cell / cols) * cellHeight];
    const place = (inset: number): string =>
      `x="${(x + inset).toFixed(2)}" y="${(y + inset).toFixed(2)}" ` +
      `width="${(cellWidth - 2 * inset).toFixed(2)}" height="${(cellHeight - 2 * inset).toFixed(2)}"`;
    const shade = 0.6 * (1 - keptBy[cell] / heads);
    if (shade > 0) cells.push(`<rect ${place(0)} fill="#1b2a4a" fill-opacity="${shade.toFixed(2)}"/>`);
    if (outlined.has(cell)) {
      const colour = keptBy[cell] > 0 ? '#12b76a' : '#f04438';
      cells.push(`<rect ${place(1.5)} fill="${colour}" fill-opacity="0.18" stroke="${colour}" stroke-width="3"/>`);
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${cells.join('')}</svg>`;
}

function captionSvg(caption: string): string {
  const text = caption.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${SHEET_WIDTH}" height="${CAPTION_HEIGHT}">` +
    `<text x="4" y="18" font-family="sans-serif" font-size="15" fill="#111">${text}</text></svg>`
  );
}

/** Indices of the largest values that stand out and together make up the outlined share of the sum. */
function strongest(evidence: Float32Array): Set<number> {
  const total = evidence.reduce((sum, weight) => sum + weight, 0);
  const least = (OUTLINED_TIMES_MEAN * total) / evidence.length;
  const chosen = new Set<number>();
  let carried = 0;
  for (const cell of [...evidence.keys()].sort((a, b) => evidence[b] - evidence[a])) {
    if (carried >= OUTLINED_SHARE * total || evidence[cell] < least || evidence[cell] === 0) break;
    chosen.add(cell);
    carried += evidence[cell];
  }
  return chosen;
}
