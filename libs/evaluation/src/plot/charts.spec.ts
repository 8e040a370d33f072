import { describe, expect, it } from 'vitest';
import { dotChart } from './dot.chart.js';
import { heatColour, heatMap } from './heat.map.js';
import { lineChart, type LineChart } from './line.chart.js';
import { linearScale, logScale, niceTicks } from './scale.js';
import { seriesStyle } from './theme.js';

const chart: LineChart = {
  title: 'A & B',
  xLabel: 'kept',
  yLabel: 'right',
  xScale: 'log',
  formatX: (x) => `${100 * x} %`,
  formatY: (y) => `${Math.round(100 * y)} %`,
  yMax: 1,
  series: [
    {
      name: '<one>',
      points: [
        { x: 0.1, y: 0.5 },
        { x: 1, y: 1 },
      ],
    },
  ],
};

/** Every opened element is closed, in order. */
function isWellFormed(svg: string): boolean {
  const open: string[] = [];
  for (const [, close, name, , empty] of svg.matchAll(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi)) {
    if (empty === '/') continue;
    if (close === '/') {
      if (open.pop() !== name) return false;
    } else open.push(name);
  }
  return open.length === 0 && (svg.match(/</g)?.length ?? 0) === (svg.match(/>/g)?.length ?? -1);
}

describe('charts', () => {
  it('are well-formed, with names escaped, whatever they show', () => {
    const dots = dotChart({
      title: 'dots',
      valueLabel: 'right',
      rows: ['a', 'b'],
      format: String,
      max: 1,
      series: [{ name: 'x', values: [{ y: 0.5, low: 0.2, high: 0.7 }, undefined] }],
    });
    const heat = heatMap({
      title: 'heat',
      rowLabel: 'layer',
      columnLabel: 'head',
      valueLabel: 'text',
      panels: Array.from({ length: 8 }, (_, i) => ({
        name: `p${i}`,
        values: [
          [0, 1],
          [undefined, 0.5],
        ],
      })),
    });
    for (const svg of [lineChart(chart), dots, heat, lineChart({ ...chart, series: [] })]) {
      expect(isWellFormed(svg)).toBe(true);
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    }
    expect(lineChart(chart)).toContain('&lt;one&gt;');
  });

  it('draw points within the plot, though ticks begin behind them and end before', () => {
    const points = [100, 300, 5_000].map((x) => ({ x, y: 0.5 }));
    const svg = lineChart({ ...chart, xTicks: [256, 512], series: [{ name: 'one', points }] });
    const [, path = ''] = /<polyline[^>]* points="([^"]*)"/.exec(svg) ?? [];
    const xs = path.split(' ').map((point) => Number(point.split(',')[0]));
    expect(xs).toHaveLength(3);
    expect(Math.min(...xs)).toBeGreaterThanOrEqual(64);
    expect(Math.max(...xs)).toBeLessThanOrEqual(64 + 660);
  });

  it('tell twelve series apart without colour', () => {
    const looks = Array.from({ length: 12 }, (_, i) => `${seriesStyle(i).marker} ${seriesStyle(i).dashes}`);
    expect(new Set(looks).size).toBe(12);
  });
});

describe('scales', () => {
  it('map ends to ends', () => {
    const pixels = { from: 0, to: 100 };
    expect(linearScale({ from: 2, to: 4 }, pixels)(3)).toBe(50);
    expect(logScale({ from: 0.01, to: 1 }, pixels)(0.1)).toBeCloseTo(50);
  });

  it('find round ticks that cover the range', () => {
    expect(niceTicks({ from: 0, to: 1 })).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(niceTicks({ from: 0, to: 0.23 })).toEqual([0, 0.05, 0.1, 0.15, 0.2, 0.25]);
  });
});

describe('heatColour', () => {
  it('goes from dark to light and clamps', () => {
    expect([heatColour(-1), heatColour(0), heatColour(1), heatColour(2)]).toEqual([
      '#440154',
      '#440154',
      '#fde725',
      '#fde725',
    ]);
  });
});
