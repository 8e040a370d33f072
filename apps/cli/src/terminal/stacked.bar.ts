/** How the parts of a bar are told apart: by colour on a terminal, else by their shade. */
const SHADES = ['█', '▒', '▓', '░'];
const COLOURS = ['\x1b[36m', '\x1b[33m', '\x1b[35m', '\x1b[32m'];
const RESET = '\x1b[0m';
const SPARKS = '▁▂▃▄▅▆▇█';

/** One cell or word of a part, as in the bar. */
export function partMark(part: number, text: string, colour: boolean): string {
  return colour ? `${COLOURS[part % COLOURS.length]}${text}${RESET}` : text;
}

/** The sign of a part in a legend. */
export function partSign(part: number, colour: boolean): string {
  return partMark(part, colour ? '█' : SHADES[part % SHADES.length], colour);
}

/**
 * A bar of as many cells as `width` for `whole`, its parts one after the other; up to `reach` it is continued with dots. Cells
 * are rounded on the running sum, so that the bar is as long as the sum of its parts.
 */
export function stackedBar(
  parts: readonly number[],
  { whole, reach = 0, width, colour }: { whole: number; reach?: number; width: number; colour: boolean },
): string {
  const cellsOf = (value: number): number => Math.min(width, Math.round((value / Math.max(whole, 1e-9)) * width));
  let [sum, drawn, text] = [0, 0, ''];
  for (const [i, part] of parts.entries()) {
    sum += part;
    const cells = Math.max(0, cellsOf(sum) - drawn);
    if (cells > 0) text += partMark(i, (colour ? '█' : SHADES[i % SHADES.length]).repeat(cells), colour);
    drawn += cells;
  }
  const dots = Math.max(0, cellsOf(reach) - drawn);
  return text + '·'.repeat(dots) + ' '.repeat(width - drawn - dots);
}

/** A column a value, from 0 to `most`. */
export function sparkline(values: readonly number[], most = 1): string {
  return values
    .map((value) => SPARKS[Math.min(SPARKS.length - 1, Math.max(0, Math.floor((value / most) * SPARKS.length)))])
    .join('');
}
