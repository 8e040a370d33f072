export type Cell = string | number;

/** Rows in columns as wide as their widest cell: numbers to the right, words to the left. */
export function textTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = head.map((title, column) => Math.max(title.length, ...texts.map((row) => row[column].length)));
  const right = head.map((_, column) => rows.every((row) => isNumeric(row[column])));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join('  ')
      .trimEnd();
  return [head, ...texts].map((cells) => `${line(cells)}\n`).join('');
}

/** Numbers, also with a unit or grouped, and the dash that stands for none. */
function isNumeric(cell: Cell): boolean {
  return typeof cell === 'number' || /^[-+\d]/.test(cell);
}

/** A bar of `width` cells at most, for a share of 1. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const rest = eighths % 8;
  return '█'.repeat(eighths >> 3) + (rest === 0 ? '' : ' ▏▎▍▌▋▊▉'[rest]);
}
