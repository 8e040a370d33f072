import { dotChart } from '../plot/dot.chart.js';
import { heatMap } from '../plot/heat.map.js';
import { lineChart, type LineSeries } from '../plot/line.chart.js';
import { seriesStyle, type SeriesStyle } from '../plot/theme.js';
import { OURS, type CellReport, type EvalReport } from './report.data.js';
import { formatRatio, mainVariants, ratiosOf } from './report.format.js';

export interface Figure {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
  /** What it shows, for the report. */
  readonly note: string;
}

/** Figures by set and by length show one ratio: the one nearest to this. */
const SHOWN_RATIO = 0.1;
/** Bins by length with fewer questions than this say too little to be drawn. */
const FEWEST_IN_BIN = 10;

/** All figures that the report's data can fill. */
export function reportFigures(report: EvalReport): Figure[] {
  const figures = [accuracyByRatio(report), accuracyBySet(report), accuracyByLength(report), rowsByLayer(report)];
  return [...figures, preference(report), preferenceBySet(report)].filter((figure) => figure !== undefined);
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** Styles are the same in all figures. */
function shownVariants(report: EvalReport): { readonly name: string; readonly style: SeriesStyle }[] {
  return mainVariants(report).map((name, i) => ({ name, style: seriesStyle(i) }));
}

function shownRatio(report: EvalReport): number {
  const ratios = ratiosOf(report);
  const distance = (ratio: number): number => Math.abs(Math.log(ratio / SHOWN_RATIO));
  return ratios.reduce((best, ratio) => (distance(ratio) < distance(best) ? ratio : best));
}

/** The cell of a variant at the ratio that is shown; a full cache has one ratio only. */
function shownCell(report: EvalReport, name: string): CellReport | undefined {
  const ratio = shownRatio(report);
  return report.cells.find((cell) => cell.variant === name && (cell.ratio === ratio || cell.policy === 'full'));
}

function accuracyByRatio(report: EvalReport): Figure {
  const ratios = ratiosOf(report);
  const title = 'Accuracy by share of the cache kept';
  const series = shownVariants(report).map(({ name, style }): LineSeries => {
    const own = report.cells.filter(({ variant }) => variant === name);
    // The full cache is a level to hold others against.
    const points = own[0].policy === 'full' ? ratios.map((ratio) => ({ ...own[0], ratio })) : own;
    return {
      name,
      style,
      emphasis: name === OURS,
      points: points.map(({ ratio, accuracy }) => ({
        x: ratio,
        y: accuracy.value,
        low: accuracy.low,
        high: accuracy.high,
      })),
    };
  });
  const svg = lineChart({
    title,
    xLabel: 'share of the prompt’s cache kept (logarithmic)',
    yLabel: 'right answers, mean over sets',
    xScale: 'log',
    formatX: formatRatio,
    formatY: percent,
    yMax: 1,
    series,
  });
  const note = `Mean over sets by ratio; the band is the 95 % interval of \`${OURS}\`. The full cache is drawn at every ratio to compare with.`;
  return { file: 'accuracy-by-ratio.svg', title, svg, note };
}

function accuracyBySet(report: EvalReport): Figure {
  const title = `Accuracy by set at ${formatRatio(shownRatio(report))}`;
  const sets = Object.keys(report.questions.bySet);
  const svg = dotChart({
    title,
    valueLabel: 'right answers, with 95 % intervals',
    rows: sets.map((set) => `${set} (${report.questions.bySet[set]})`),
    format: percent,
    max: 1,
    series: shownVariants(report).map(({ name, style }) => {
      const cell = shownCell(report, name);
      return {
        name,
        style,
        values: sets.map((set) => {
          if (cell === undefined) return undefined;
          const { value, low, high } = cell.sets[set];
          return { y: value, low, high };
        }),
      };
    }),
  });
  return { file: 'accuracy-by-set.svg', title, svg, note: 'In brackets the number of questions.' };
}

function accuracyByLength(report: EvalReport): Figure | undefined {
  const bins = report.cells[0].lengths.filter(({ questions }) => questions >= FEWEST_IN_BIN);
  if (bins.length < 2) return undefined;
  const title = `Accuracy by length of the prompt at ${formatRatio(shownRatio(report))}`;
  const svg = lineChart({
    title,
    xLabel: 'tokens of the prompt (logarithmic)',
    yLabel: 'right answers',
    xScale: 'log',
    xTicks: [bins[0].from, ...bins.map(({ to }) => to)].filter((tick) => tick > 0 && tick < Infinity),
    formatX: (tokens) => (tokens < 1024 ? String(tokens) : `${tokens / 1024}K`),
    formatY: percent,
    yMax: 1,
    series: shownVariants(report).flatMap(({ name, style }) => {
      const cell = shownCell(report, name);
      if (cell === undefined) return [];
      const points = cell.lengths
        .filter(({ questions }) => questions >= FEWEST_IN_BIN)
        .map(({ meanTokens, accuracy }) => ({ x: meanTokens, y: accuracy }));
      return { name, style, emphasis: name === OURS, points };
    }),
  });
  const counts = bins.map(({ from, to, questions }) => `${from}-${to === Infinity ? '' : to}: ${questions}`).join(', ');
  const note = `Questions of all sets together, by tokens of the prompt (${counts}). Sets differ in length, so this is not length alone.`;
  return { file: 'accuracy-by-length.svg', title, svg, note };
}

function rowsByLayer(report: EvalReport): Figure | undefined {
  const cells = shownVariants(report).flatMap(({ name, style }) => {
    const cell = shownCell(report, name);
    return cell === undefined || cell.policy === 'full' || cell.rowShares.length < 2 ? [] : [{ name, style, cell }];
  });
  if (cells.length === 0) return undefined;
  const title = `Rows kept by layer at ${formatRatio(shownRatio(report))}`;
  const svg = lineChart({
    title,
    xLabel: 'layer',
    yLabel: 'rows kept a head, of the prompt',
    xScale: 'linear',
    formatX: String,
    formatY: (share) => `${Number((100 * share).toFixed(1))} %`,
    series: cells.map(({ name, style, cell }) => ({
      name,
      style,
      emphasis: name === OURS,
      points: cell.rowShares.map((y, x) => ({ x, y })),
    })),
  });
  return {
    file: 'rows-by-layer.svg',
    title,
    svg,
    note: 'How each policy spreads the same budget over the layers. Those that treat all layers alike lie on one line.',
  };
}

const PREFERENCE_NOTE =
  'Share of the attention (6) that the proxy tokens pay to text, by layer and head; the rest goes to images. Rows that look alike say that heads do not differ.';

function preference(report: EvalReport): Figure | undefined {
  const panels = shownVariants(report).flatMap(({ name }) => {
    const cell = shownCell(report, name);
    const ours = cell?.policy.startsWith('madakv') === true && cell.textPreference.length > 0;
    return ours ? [{ name, values: cell.textPreference }] : [];
  });
  if (panels.length === 0) return undefined;
  const title = 'Preference for text by layer and head';
  return { file: 'preference.svg', title, svg: preferenceMap(title, panels), note: PREFERENCE_NOTE };
}

function preferenceBySet(report: EvalReport): Figure | undefined {
  const first = shownVariants(report).map(({ name }) => shownCell(report, name));
  const cell = first.find((one) => one?.policy.startsWith('madakv') === true);
  const sets = Object.keys(report.questions.bySet);
  if (cell === undefined || sets.length < 2 || cell.textPreference.length === 0) return undefined;
  const title = `Preference for text by set, ${cell.variant}`;
  const panels = sets.map((name) => ({ name, values: cell.textPreferenceBySet[name] }));
  const note = 'The same by set: whether heads turn to text where the answer is in text.';
  return { file: 'preference-by-set.svg', title, svg: preferenceMap(title, panels), note };
}

function preferenceMap(
  title: string,
  panels: readonly { readonly name: string; readonly values: readonly (readonly number[])[] }[],
): string {
  return heatMap({
    title,
    rowLabel: 'layer',
    columnLabel: 'head',
    valueLabel: 'text',
    panels,
  });
}
