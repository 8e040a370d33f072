import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { textTable } from '../../terminal/text.table.js';
import { formatCount } from '../../terminal/units.js';
import type { RunFolder } from '../run/run.folder.js';
import { reportData, type EvalReport } from './report.data.js';
import { reportFigures } from './report.figures.js';
import { formatRatio, ratiosOf } from './report.format.js';
import { reportMarkdown } from './report.markdown.js';

export interface WrittenReport {
  /** For the terminal. */
  readonly summary: string;
  readonly files: readonly string[];
}

/**
 * Writes report.md, report.json and the figures of a run.
 * @param target a Markdown file elsewhere that gets the report, its figures in a folder of its name beside it
 */
export function writeReport({ dir, run, results }: RunFolder, target?: string): WrittenReport {
  const data = reportData(run, results);
  if (data === undefined) return { summary: 'no question has all of its answers yet\n', files: [] };
  const figures = reportFigures(data);
  const files: string[] = [];
  const write = (path: string, content: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    files.push(path);
  };
  const place = (markdown: string, figuresAt: string): void => {
    write(markdown, reportMarkdown(data, figures, figuresAt));
    for (const { file, svg } of figures) write(join(dirname(markdown), figuresAt, file), svg);
  };
  write(join(dir, 'report.json'), `${JSON.stringify(data, null, 1)}\n`);
  place(join(dir, 'report.md'), '');
  if (target !== undefined) place(target, `${basename(target).replace(/\.md$/, '')}/`);
  return { summary: summaryOf(data), files };
}

function summaryOf(report: EvalReport): string {
  const ratios = ratiosOf(report);
  const rows = [...new Set(report.cells.map(({ variant }) => variant))].map((variant) => [
    variant,
    ...ratios.map((ratio) => {
      const cell = report.cells.find((one) => one.variant === variant && one.ratio === ratio);
      return cell === undefined ? '-' : (100 * cell.accuracy.value).toFixed(1);
    }),
  ]);
  const { complete, planned } = report.questions;
  return (
    `Right answers in per cent, mean over sets, ${formatCount(complete)} of ${formatCount(planned)} questions:\n` +
    textTable(['kept', ...ratios.map(formatRatio)], rows)
  );
}
