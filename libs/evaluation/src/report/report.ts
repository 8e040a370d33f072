import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RunFolder } from '../run/run.folder.js';
import { reportData, type EvalReport } from './report.data.js';
import { reportFigures } from './report.figures.js';
import { reportMarkdown } from './report.markdown.js';

export interface WrittenReport {
  /** Undefined while no question that counts for accuracy has all of its answers. */
  readonly report: EvalReport | undefined;
  readonly files: readonly string[];
}

/**
 * Writes report.md, report.json and the figures of a run into its folder, nothing while no question has all of its answers.
 * A part of a run leaves the folder as it is.
 * @param target a Markdown file elsewhere that gets the report, its figures in a folder of its name beside it
 */
export function writeReport({ dir, run, results, isPart }: RunFolder, target?: string): WrittenReport {
  const data = reportData(run, results);
  if (data === undefined) return { report: undefined, files: [] };
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
  if (!isPart) {
    write(join(dir, 'report.json'), `${JSON.stringify(data, null, 1)}\n`);
    place(join(dir, 'report.md'), '');
  }
  if (target !== undefined) place(target, `${basename(target).replace(/\.md$/, '')}/`);
  return { report: data, files };
}
