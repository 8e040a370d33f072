import { element, text } from './svg.js';
import { FONT, picture, textWidth } from './theme.js';
import { verticalLabel } from './line.chart.js';

export interface HeatPanel {
  readonly name: string;
  /** `[rows][columns]` 0..1; undefined leaves a cell empty. */
  readonly values: readonly (readonly (number | undefined)[])[];
}

export interface HeatMap {
  readonly title: string;
  readonly rowLabel: string;
  readonly columnLabel: string;
  readonly valueLabel: string;
  readonly panels: readonly HeatPanel[];
}

const TOP = 64;
const LEFT = 56;
const GAP = 34;
const PANELS_A_LINE = 6;
/** For the column labels of one line of panels and the names of the next. */
const BETWEEN_LINES = 72;
/** Figures are written into cells only while these are so few. */
const MOST_WITH_FIGURES = 12;

/** Panels side by side in lines of six, rows downwards, each with its figures where they fit, and one colour scale. @returns SVG */
export function heatMap({ title, rowLabel, columnLabel, valueLabel, panels }: HeatMap): string {
  const rows = Math.max(0, ...panels.map(({ values }) => values.length));
  const columns = Math.max(0, ...panels.map(({ values }) => values[0]?.length ?? 0));
  const detailed = columns <= MOST_WITH_FIGURES;
  const cell = { width: detailed ? 34 : 16, height: rows <= 16 ? 24 : 13 };
  const panelWidth = Math.max(columns * cell.width, ...panels.map(({ name }) => textWidth(name)));
  const lines = Math.ceil(panels.length / PANELS_A_LINE);
  const blockHeight = rows * cell.height + BETWEEN_LINES;
  const bottom = TOP + lines * blockHeight - BETWEEN_LINES;
  const right = LEFT + Math.min(panels.length, PANELS_A_LINE) * (panelWidth + GAP) - GAP;
  const scaleX = right + 30;
  const width = Math.max(scaleX + 70, LEFT + textWidth(title, FONT.title));
  return picture(width, bottom + 52, title, [
    text(LEFT, 24, title, { class: 'title' }),
    ...Array.from({ length: lines }, (_, block) => {
      const top = TOP + block * blockHeight;
      return [
        verticalLabel(16, top + (rows * cell.height) / 2, rowLabel),
        ...labels(rows, 14).map((row) =>
          text(LEFT - 8, top + (row + 0.5) * cell.height + 4, String(row), { 'text-anchor': 'end' }),
        ),
      ];
    }).flat(),
    ...panels.flatMap(({ name, values }, i) => {
      const left = LEFT + (i % PANELS_A_LINE) * (panelWidth + GAP);
      const top = TOP + Math.floor(i / PANELS_A_LINE) * blockHeight;
      return [
        text(left, top - 12, name),
        ...values.flatMap((line, row) =>
          line.flatMap((value, column) => {
            const [x, y] = [left + column * cell.width, top + row * cell.height];
            return value === undefined ? [] : drawCell(value, x, y, cell, detailed);
          }),
        ),
        ...labels(columns, 12).map((column) =>
          text(left + (column + 0.5) * cell.width, top + rows * cell.height + 16, String(column), {
            'text-anchor': 'middle',
          }),
        ),
        text(left, top + rows * cell.height + 36, columnLabel, { class: 'faint' }),
      ];
    }),
    ...colourScale(scaleX, valueLabel, Math.max(TOP + rows * cell.height, TOP + 90)),
  ]);
}

function drawCell(
  value: number,
  x: number,
  y: number,
  { width, height }: { width: number; height: number },
  detailed: boolean,
): string[] {
  const rect = element('rect', { x, y, width, height, fill: heatColour(value) });
  if (!detailed || height < 20) return [rect];
  const figure = text(x + width / 2, y + height / 2 + 4, value.toFixed(2).replace(/^0/, ''), {
    'text-anchor': 'middle',
    style: `fill:${isDark(value) ? '#fff' : '#111'};font-size:11px`,
  });
  return [rect, figure];
}

function colourScale(x: number, label: string, bottom: number): string[] {
  const steps = 20;
  const height = (bottom - TOP) / steps;
  return [
    ...Array.from({ length: steps }, (_, i) =>
      element('rect', {
        x,
        y: TOP + i * height,
        width: 14,
        height: height + 0.3,
        fill: heatColour(1 - (i + 0.5) / steps),
      }),
    ),
    text(x + 20, TOP + 9, '1'),
    text(x + 20, bottom, '0'),
    text(x - 4, TOP - 12, label, { class: 'faint' }),
  ];
}

/** Indices to be labelled: all, or so many that about `most` remain. */
function labels(count: number, most: number): number[] {
  const step = Math.ceil(count / most);
  return Array.from({ length: count }, (_, i) => i).filter((i) => i % step === 0);
}

/** Stops of viridis (van der Walt and Smith, CC0): even in lightness, also for the colour-blind. */
const VIRIDIS = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
] as const;

/** @param value 0..1, clamped. @returns `#rrggbb` */
export function heatColour(value: number): string {
  const at = Math.min(1, Math.max(0, value)) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const channel = (i: number): string => {
    const mixed = VIRIDIS[below][i] + (VIRIDIS[below + 1][i] - VIRIDIS[below][i]) * (at - below);
    return Math.round(mixed).toString(16).padStart(2, '0');
  };
  return `#${channel(0)}${channel(1)}${channel(2)}`;
}

function isDark(value: number): boolean {
  return value < 0.6;
}
