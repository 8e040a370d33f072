import { linearScale, niceTicks } from './scale.js';
import { line, text } from './svg.js';
import { legend, legendSize, marker, picture, seriesStyle, textWidth, type SeriesStyle } from './theme.js';

export interface DotSeries {
  readonly name: string;
  /** One a row; undefined where there is no figure. */
  readonly values: readonly ({ readonly y: number; readonly low?: number; readonly high?: number } | undefined)[];
  readonly style?: SeriesStyle;
}

export interface DotChart {
  readonly title: string;
  readonly valueLabel: string;
  readonly rows: readonly string[];
  readonly format: (value: number) => string;
  readonly max: number;
  readonly series: readonly DotSeries[];
}

const WIDTH = 480;
const TOP = 44;
/** Between two series within a row, and between two rows. */
const LANE = 11;
const GAP = 14;

/** A row for each category, within it a lane for each series: a marker with its interval. @returns SVG */
export function dotChart({ title, valueLabel, rows, format, max, series }: DotChart): string {
  const left = 20 + Math.max(0, ...rows.map((row) => textWidth(row)));
  const right = left + WIDTH;
  const rowHeight = series.length * LANE + GAP;
  const bottom = TOP + rows.length * rowHeight;
  const ticks = niceTicks({ from: 0, to: max });
  const x = linearScale({ from: 0, to: ticks[ticks.length - 1] }, { from: left, to: right });
  const names = series.map(({ name }) => name);
  const styles = series.map(({ style }, i) => style ?? seriesStyle(i));
  const key = legendSize(names);
  return picture(right + 24 + key.width + 12, Math.max(bottom + 56, TOP + key.height + 20), title, [
    text(left, 24, title, { class: 'title' }),
    ...ticks.flatMap((tick) => [
      line(x(tick), TOP, x(tick), bottom, { class: tick === 0 ? 'axis' : 'grid' }),
      text(x(tick), bottom + 18, format(tick), { 'text-anchor': 'middle' }),
    ]),
    ...rows.flatMap((row, i) => {
      const top = TOP + i * rowHeight;
      return [
        line(left, top, right, top, { class: 'grid' }),
        text(left - 10, top + rowHeight / 2 + 4, row, { 'text-anchor': 'end' }),
      ];
    }),
    line(left, bottom, right, bottom, { class: 'axis' }),
    ...series.flatMap(({ values }, lane) =>
      values.flatMap((value, row) => {
        if (value === undefined) return [];
        const at = TOP + row * rowHeight + GAP / 2 + (lane + 0.5) * LANE;
        const { y, low = y, high = y } = value;
        const interval = line(x(low), at, x(high), at, { stroke: styles[lane].colour, 'stroke-width': 2 });
        return [interval, marker(styles[lane], x(y), at, 3.5)];
      }),
    ),
    text((left + right) / 2, bottom + 42, valueLabel, { 'text-anchor': 'middle', class: 'faint' }),
    ...legend(names, styles, right + 24, TOP + 10, false),
  ]);
}
