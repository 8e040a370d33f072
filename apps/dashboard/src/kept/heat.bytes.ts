import type { Heat } from '../api/types.js';

/** One byte a token: 0 nobody kept it, 255 all did. */
export function heatBytes({ kept }: Heat): Uint8Array {
  return Uint8Array.from(atob(kept), (character) => character.charCodeAt(0));
}

/** Colours of a cell, RGBA: of one that somebody kept by how many did, of one that nobody kept a veil. */
export function cellColour(heat: number): readonly [number, number, number, number] {
  if (heat === 0) return [15, 23, 42, 150];
  // From pale to strong orange: seen by those who confuse red and green, too.
  const share = heat / 255;
  return [249, Math.round(190 - 100 * share), Math.round(60 - 40 * share), Math.round(50 + 110 * share)];
}

/**
 * Draws cells, row by row, each `scale` pixels wide and high.
 * @param cells one byte a cell; fewer than `rows` times `columns` leave the rest clear
 */
export function drawCells(
  canvas: HTMLCanvasElement,
  cells: Uint8Array,
  columns: number,
  rows: number,
  scale: number,
): void {
  canvas.width = columns * scale;
  canvas.height = rows * scale;
  const context = canvas.getContext('2d');
  if (context === null) return;
  for (let i = 0; i < Math.min(cells.length, rows * columns); i++) {
    const [red, green, blue, alpha] = cellColour(cells[i]);
    context.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
    context.fillRect((i % columns) * scale, Math.floor(i / columns) * scale, scale, scale);
  }
}
