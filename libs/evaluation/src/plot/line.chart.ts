import { linearScale, logScale, niceTicks, type Scale } from './scale.js';
import { element, line, round, text } from './svg.js';
import { legend, legendSize, marker, picture, seriesStyle, textWidth, type SeriesStyle } from './theme.js';

export interface LinePoint {
  readonly x: number;
  readonly y: number;
  /** 95 % interval, drawn as a band. */
  readonly low?: number;
  readonly high?: number;
}

export interface LineSeries {
  readonly name: string;
  /** Ascending in x. */
  readonly points: readonly LinePoint[];
  readonly style?: SeriesStyle;
  /** Drawn thicker, on top, with its band. */
  readonly emphasis?: boolean;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xScale: 'linear' | 'log';
  /** Ticks of the x axis; the values of the points where left out. */
  readonly xTicks?: readonly number[];
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
  /** Largest value of the y axis; it begins at 0. */
  readonly yMax?: number;
  readonly series: readonly LineSeries[];
}

const PLOT = { width: 660, height: 340, left: 64, top: 44 } as const;

/** More points than these are a curve: their markers would hide it. */
const MARKED = 40;

/** Lines with markers over a linear or logarithmic x axis, y from 0. @returns SVG */
export function lineChart(chart: LineChart): string {
  const all = chart.series.flatMap(({ points }) => points);
  const xs = [...new Set(chart.xTicks ?? all.map(({ x }) => x))].sort((a, b) => a - b);
  const yTicks = niceTicks({ from: 0, to: chart.yMax ?? Math.max(1e-9, ...all.map(({ y, high }) => high ?? y)) });
  const right = PLOT.left + PLOT.width;
  const bottom = PLOT.top + PLOT.height;
  const reach = [...xs, ...all.map((point) => point.x)];
  const domain = { from: Math.min(...reach), to: Math.max(...reach) };
  const pixels = { from: PLOT.left + 14, to: right - 14 };
  const x = chart.xScale === 'log' ? logScale(domain, pixels) : linearScale(domain, pixels);
  const y = linearScale({ from: 0, to: yTicks[yTicks.length - 1] }, { from: bottom, to: PLOT.top });
  const names = chart.series.map(({ name }) => name);
  const styles = chart.series.map(({ style }, i) => style ?? seriesStyle(i));
  const key = legendSize(names);
  const order = chart.series.map((_, i) => i).sort((a, b) => rank(chart.series[a]) - rank(chart.series[b]));
  return picture(right + 24 + key.width + 12, Math.max(bottom + 56, PLOT.top + key.height + 20), chart.title, [
    text(PLOT.left, 24, chart.title, { class: 'title' }),
    ...yTicks.flatMap((tick) => [
      line(PLOT.left, y(tick), right, y(tick), { class: tick === 0 ? 'axis' : 'grid' }),
      text(PLOT.left - 8, y(tick) + 4, chart.formatY(tick), { 'text-anchor': 'end' }),
    ]),
    ...xAxis(xs, x, bottom, chart),
    text((PLOT.left + right) / 2, bottom + 44, chart.xLabel, { 'text-anchor': 'middle', class: 'faint' }),
    verticalLabel(16, (PLOT.top + bottom) / 2, chart.yLabel),
    ...order.flatMap((i) => drawSeries(chart.series[i], styles[i], x, y)),
    ...legend(names, styles, right + 24, PLOT.top + 10, true),
  ]);
}

/** Ticks with labels; a label that would touch the one before it is left out. */
function xAxis(ticks: readonly number[], x: Scale, bottom: number, { formatX }: LineChart): string[] {
  let occupied = -Infinity;
  return ticks.flatMap((tick) => {
    const at = x(tick);
    const label = formatX(tick);
    const half = textWidth(label) / 2;
    const mark = line(at, bottom, at, bottom + 5, { class: 'axis' });
    if (at - half < occupied + 4) return [mark];
    occupied = at + half;
    return [mark, text(at, bottom + 20, label, { 'text-anchor': 'middle' })];
  });
}

function drawSeries({ points, emphasis = false }: LineSeries, style: SeriesStyle, x: Scale, y: Scale): string[] {
  if (points.length === 0) return [];
  const at = (px: number, py: number): string => `${round(x(px))},${round(y(py))}`;
  const upper = points.map((point) => at(point.x, point.high ?? point.y));
  const lower = points.map((point) => at(point.x, point.low ?? point.y)).reverse();
  const band = element('polygon', { points: [...upper, ...lower].join(' '), fill: style.colour, 'fill-opacity': 0.16 });
  const path = element('polyline', {
    points: points.map((point) => at(point.x, point.y)).join(' '),
    fill: 'none',
    stroke: style.colour,
    'stroke-width': emphasis ? 3 : 1.75,
    'stroke-dasharray': style.dashes,
    'stroke-linejoin': 'round',
  });
  return [
    ...(emphasis && points.some(({ high }) => high !== undefined) ? [band] : []),
    path,
    ...(points.length > MARKED ? [] : points).map((point) =>
      marker(style, x(point.x), y(point.y), emphasis ? 4.5 : 3.5),
    ),
  ];
}

export function verticalLabel(x: number, y: number, content: string): string {
  return text(x, y, content, {
    'text-anchor': 'middle',
    class: 'faint',
    transform: `rotate(-90 ${round(x)} ${round(y)})`,
  });
}

function rank({ emphasis }: LineSeries): number {
  return emphasis === true ? 1 : 0;
}
