import { element, escape, round, text } from './svg.js';

/** Distinct in hue and in lightness, and readable on white and on near-black. */
export const PALETTE = [
  '#2f7ed8',
  '#e06c00',
  '#1a9d6b',
  '#cf3f5e',
  '#8b63d0',
  '#b08900',
  '#12a0b4',
  '#c662b0',
  '#7a8794',
  '#9a6a48',
  '#5f9e1e',
  '#5a6fd6',
] as const;

const MARKERS = ['circle', 'square', 'diamond', 'triangle', 'down'] as const;
const DASHES = [undefined, '7 3', '2 3', '9 3 2 3'] as const;

/** How a series looks everywhere: colour, marker and dashes differ, so that colour alone says nothing. */
export interface SeriesStyle {
  readonly colour: string;
  readonly marker: (typeof MARKERS)[number];
  readonly dashes: string | undefined;
}

export function seriesStyle(index: number): SeriesStyle {
  return {
    colour: PALETTE[index % PALETTE.length],
    marker: MARKERS[index % MARKERS.length],
    dashes: DASHES[Math.floor(index / 3) % DASHES.length],
  };
}

/** Pixels. */
export const FONT = { normal: 12, title: 14 } as const;

const STYLE = `text{font-family:system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:${FONT.normal}px;fill:#24292f}
.title{font-size:${FONT.title}px;font-weight:600}.faint{fill:#57606a}.paper{fill:#fff}.axis{stroke:#57606a}.grid{stroke:#d8dee4}.frame{stroke:#8c959f;fill:none}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.paper{fill:#0d1117}.axis{stroke:#9198a1}.grid{stroke:#30363d}.frame{stroke:#6e7681}}`;

/** A whole picture on paper of its own, light or dark as the reader's screen is. */
export function picture(width: number, height: number, title: string, body: readonly string[]): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return `${element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width: w, height: h, viewBox: `0 0 ${w} ${h}`, role: 'img' },
    element('title', {}, escape(title)),
    element('style', {}, STYLE),
    element('rect', { class: 'paper', width: w, height: h }),
    '\n',
    body.join('\n'),
    '\n',
  )}\n`;
}

/** Width in pixels that a text may take, rather too much than too little. */
export function textWidth(content: string, size: number = FONT.normal): number {
  return content.length * size * 0.6;
}

/** A point of a series. */
export function marker({ colour, marker: kind }: SeriesStyle, x: number, y: number, size = 4): string {
  const fill = { fill: colour };
  const points = (pairs: readonly (readonly [number, number])[]): string =>
    element('polygon', { points: pairs.map(([dx, dy]) => `${round(x + dx)},${round(y + dy)}`).join(' '), ...fill });
  switch (kind) {
    case 'circle':
      return element('circle', { cx: x, cy: y, r: size, ...fill });
    case 'square':
      return element('rect', {
        x: x - size + 0.5,
        y: y - size + 0.5,
        width: 2 * size - 1,
        height: 2 * size - 1,
        ...fill,
      });
    case 'diamond':
      return points([
        [0, -size - 1],
        [size + 1, 0],
        [0, size + 1],
        [-size - 1, 0],
      ]);
    case 'triangle':
      return points([
        [0, -size - 0.5],
        [size + 0.5, size - 0.5],
        [-size - 0.5, size - 0.5],
      ]);
    case 'down':
      return points([
        [0, size + 0.5],
        [size + 0.5, -size + 0.5],
        [-size - 0.5, -size + 0.5],
      ]);
  }
}

const ROW = 20;
const SAMPLE = 34;

/** Series beside a chart, one a row, with a sample of line and marker. */
export function legend(
  names: readonly string[],
  styles: readonly SeriesStyle[],
  x: number,
  y: number,
  lines: boolean,
): string[] {
  return names.flatMap((name, i) => {
    const middle = y + i * ROW;
    const sample = lines
      ? [
          element('line', {
            x1: x,
            y1: middle,
            x2: x + SAMPLE - 8,
            y2: middle,
            stroke: styles[i].colour,
            'stroke-width': 2,
            'stroke-dasharray': styles[i].dashes,
          }),
        ]
      : [];
    return [...sample, marker(styles[i], x + (SAMPLE - 8) / 2, middle), text(x + SAMPLE, middle + 4, name)];
  });
}

export function legendSize(names: readonly string[]): { width: number; height: number } {
  return { width: SAMPLE + Math.max(0, ...names.map((name) => textWidth(name))), height: names.length * ROW };
}
