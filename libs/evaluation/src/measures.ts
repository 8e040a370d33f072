/** Scores of answers, halves of questions to tune and to report on, confidence intervals, and figures as SVG. Pure functions. */
export * from './plot/dot.chart.js';
export * from './plot/heat.map.js';
export * from './plot/line.chart.js';
export { PALETTE, seriesStyle, type SeriesStyle } from './plot/theme.js';
export * from './scoring/milebench.js';
export * from './scoring/rouge.js';
export * from './scoring/scorers.js';
export * from './split.js';
export * from './statistics/cluster.bootstrap.js';
export { seededRandom } from './statistics/random.js';
