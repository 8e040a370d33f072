import type { Estimate } from '../statistics/cluster.bootstrap.js';
import { ABLATION_LABELS } from '../variants.js';
import type { CellReport, EvalReport } from './report.data.js';
import type { Figure } from './report.figures.js';
import { OURS } from './report.data.js';
import {
  formatRatio,
  mainVariants,
  percent,
  percentWithInterval,
  pointsWithInterval,
  ratiosOf,
} from './report.format.js';

/** The report as Markdown. @param figuresAt where the figures lie, relative to the report */
export function reportMarkdown(report: EvalReport, figures: readonly Figure[], figuresAt: string): string {
  const { settings, about } = report.run;
  return [
    '# Accuracy under eviction',
    '',
    summary(report),
    '',
    ...section(
      'Accuracy, mean over sets',
      accuracyTable(report, ({ accuracy }) => accuracy),
    ),
    ...section('Difference to the full cache, points', differenceTable(report)),
    ...section(`\`${OURS}\` minus the others at the same ratio, points`, comparisonTable(report)),
    ...section('Ablation', ablationTable(report)),
    ...figures.flatMap(({ file, title, note }) => [`![${title}](${figuresAt}${file})`, '', note, '']),
    ...Object.entries(report.questions.bySet).flatMap(([set, questions]) =>
      section(`Set "${set}" (${questions} questions, ${settings.sets[set].scorer})`, [
        ...accuracyTable(report, ({ sets }) => sets[set]),
        ...falseAlarmTable(report, set),
      ]),
    ),
    ...alarmsAlone(report).flatMap((set) =>
      section(`Set "${set}" (${settings.sets[set].scorer})`, falseAlarmTable(report, set).slice(1)),
    ),
    ...section('Cache and time', cacheTable(report)),
    '## How this was measured',
    '',
    '```',
    about.command,
    '```',
    '',
    '| | |',
    '|---|---|',
    ...provenance(report).map(([name, value]) => `| ${name} | ${value} |`),
    '',
  ].join('\n');
}

function summary({ run, questions }: EvalReport): string {
  const { settings } = run;
  const missing =
    questions.complete < questions.planned
      ? ` **The run is not complete: ${questions.complete} of ${questions.planned} questions.**`
      : '';
  const protocol =
    settings.protocol === 'replay'
      ? 'Protocol `replay`: the first answer token comes from the evicted cache.'
      : '**Protocol `plain`: the first answer token comes from the full cache**, so short answers hardly depend on the ratio.';
  const half = settings.split === 'all' ? '' : ` Only documents of the half \`${settings.split}\`.`;
  return (
    `${questions.complete} questions about ${questions.documents} documents in ${Object.keys(questions.bySet).length} sets.` +
    ` Per cent right; in brackets 95 % intervals by a paired bootstrap over documents (seed ${settings.seed}). ` +
    `${protocol}${half}${missing}`
  );
}

function section(title: string, table: readonly string[]): string[] {
  return table.length === 0 ? [] : [`## ${title}`, '', ...table, ''];
}

/** A row a variant, a column a ratio; parts of the ablation have a table of their own. */
function byRatio(report: EvalReport, cellText: (cell: CellReport) => string | undefined): string[] {
  const ratios = ratiosOf(report);
  const rows = mainVariants(report).flatMap((variant) => {
    const texts = ratios.map((ratio) => {
      const cell = report.cells.find((one) => one.variant === variant && one.ratio === ratio);
      return cell === undefined ? '' : (cellText(cell) ?? '');
    });
    return texts.every((text) => text === '') ? [] : [`| ${variant} | ${texts.join(' | ')} |`];
  });
  if (rows.length === 0) return [];
  return [`| kept | ${ratios.map(formatRatio).join(' | ')} |`, `|---|${'---|'.repeat(ratios.length)}`, ...rows];
}

function accuracyTable(report: EvalReport, of: (cell: CellReport) => Estimate): string[] {
  return byRatio(report, (cell) => percentWithInterval(of(cell)));
}

function differenceTable(report: EvalReport): string[] {
  return byRatio(report, ({ toFull, policy }) =>
    toFull === undefined || policy === 'full' ? undefined : pointsWithInterval(toFull),
  );
}

function comparisonTable({ comparisons }: EvalReport): string[] {
  const ratios = [...new Set(comparisons.map(({ ratio }) => ratio))];
  const baselines = [...new Set(comparisons.map(({ baseline }) => baseline))].filter((name) => name !== 'full');
  if (baselines.length === 0) return [];
  return [
    `| against | ${ratios.map(formatRatio).join(' | ')} |`,
    `|---|${'---|'.repeat(ratios.length)}`,
    ...baselines.map((baseline) => {
      const texts = ratios.map((ratio) => {
        const found = comparisons.find((one) => one.baseline === baseline && one.ratio === ratio);
        return found === undefined ? '' : pointsWithInterval(found.difference);
      });
      return `| ${baseline} | ${texts.join(' | ')} |`;
    }),
  ];
}

function ablationTable(report: EvalReport): string[] {
  const parts = Object.keys(ABLATION_LABELS).filter((name) => report.cells.some(({ variant }) => variant === name));
  if (!parts.includes(OURS) || parts.length < 2) return [];
  const ratios = ratiosOf(report).filter((ratio) =>
    report.cells.some(({ variant, ratio: own }) => variant === OURS && own === ratio),
  );
  return [
    `| | ${ratios.map(formatRatio).join(' | ')} |`,
    `|---|${'---|'.repeat(ratios.length)}`,
    ...parts.map((name) => {
      const texts = ratios.map((ratio) => {
        const cell = report.cells.find(({ variant, ratio: own }) => variant === name && own === ratio);
        return cell === undefined ? '' : percentWithInterval(cell.accuracy);
      });
      return `| ${ABLATION_LABELS[name]} | ${texts.join(' | ')} |`;
    }),
  ];
}

/** Sets all of whose questions are about what is there: false alarms are all that they tell. */
function alarmsAlone({ cells, questions }: EvalReport): string[] {
  return Object.keys(cells[0].falseAlarms).filter((set) => !Object.hasOwn(questions.bySet, set));
}

function falseAlarmTable(report: EvalReport, set: string): string[] {
  const table = byRatio(report, ({ falseAlarms }) =>
    Object.hasOwn(falseAlarms, set) ? percent(falseAlarms[set]) : undefined,
  );
  return table.length === 0 ? [] : ['', 'False alarms: "not stated" for what is there.', '', ...table];
}

function cacheTable(report: EvalReport): string[] {
  const refused = report.cells.filter((cell) => cell.refused > 0);
  return [
    report.run.settings.prefill === 'shared'
      ? 'Bytes kept, in per cent of the full cache; milliseconds an answer, with shared work divided evenly among those that watch the same attention: no speed of a policy alone.'
      : 'Bytes kept, in per cent of the full cache; milliseconds an answer.',
    '',
    ...byRatio(report, ({ keptShare, meanMs }) => `${percent(keptShare)}, ${meanMs.toFixed(0)} ms`),
    ...refused.map(
      ({ variant, ratio, refused: count }) =>
        `\n${variant} at ${formatRatio(ratio)}: ${count} questions were refused because the ratio is below the policy's floor; they count as wrong.`,
    ),
  ];
}

/** Weights that are stored in no fewer bits are in half precision where the cache is. */
function unquantised(kvCache: string): string {
  return kvCache === 'fp16' ? 'fp16' : 'fp32';
}

function provenance({ run }: EvalReport): (readonly [string, string])[] {
  const { settings, about } = run;
  return [
    ['suite', settings.suite],
    ['model', `${about.modelDir}, SHA-256 of configuration and weights ${settings.model.slice(0, 16)}`],
    ['data', settings.data.map(({ file, sha256 }) => `${file} (${sha256.slice(0, 12)})`).join(', ')],
    ['split, limit a set', `${settings.split}, ${settings.limit ?? 'none'}`],
    ['protocol, prefill', `${settings.protocol}, ${settings.prefill}`],
    ['seed', String(settings.seed)],
    [
      'weights, cache, device',
      `${settings.quant === 'none' ? unquantised(settings.kvCache) : settings.quant}, ${settings.kvCache}, ${settings.provider}`,
    ],
    ...settings.variants
      .filter(({ options }) => Object.keys(options).length > 0)
      .map(({ name, policy, options }) => [name, `${policy} with \`${JSON.stringify(options)}\``] as const),
    [
      'versions',
      Object.entries(about.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
    ['processor', about.processor],
    ['started', about.startedAt],
  ];
}
