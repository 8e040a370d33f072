import { describe, expect, it } from 'vitest';
import { runRecord } from '../run/run.fixture.js';
import type { ResultRecord } from '../run/run.record.js';
import { reportData } from './report.data.js';
import { reportFigures } from './report.figures.js';
import { reportMarkdown } from './report.markdown.js';

const run = runRecord({
  sets: { fields: { questions: 40, scorer: 'exact' }, absent: { questions: 40, scorer: 'absent' } },
  variants: [
    { name: 'full', policy: 'full', options: {}, ratios: [1] },
    { name: 'madakv', policy: 'madakv', options: { theta: 0.9 }, ratios: [0.05, 0.2] },
    { name: 'no-pooling', policy: 'madakv', options: {}, ratios: [0.05, 0.2] },
    { name: 'snapkv', policy: 'snapkv', options: {}, ratios: [0.05, 0.2] },
  ],
});

/** How many of ten questions a cell answers. */
const right: Readonly<Record<string, number>> = {
  'full 1': 9,
  'madakv 0.05': 8,
  'madakv 0.2': 9,
  'no-pooling 0.05': 5,
  'no-pooling 0.2': 7,
  'snapkv 0.05': 6,
  'snapkv 0.2': 8,
};

function results(): ResultRecord[] {
  const cells = run.settings.variants.flatMap(({ name, ratios }) => ratios.map((ratio) => ({ policy: name, ratio })));
  return ['fields', 'absent'].flatMap((set) =>
    Array.from({ length: 40 }, (_, i) =>
      cells.map(({ policy, ratio }): ResultRecord => {
        const correct = i % 10 < right[`${policy} ${ratio}`];
        const expected = set === 'absent' && i % 2 === 0 ? 'not stated' : 'Bob';
        return {
          set,
          id: `${set}-${i}`,
          document: `${set}-${i >> 2}`,
          policy,
          ratio,
          expected,
          answer: correct ? expected : i % 4 === 3 ? 'not stated' : 'Eve',
          correct,
          score: Number(correct),
          finish: 'stop',
          promptTokens: i < 20 ? 400 : 900,
          keptBytes: 1000 * ratio,
          fullBytes: 1000,
          ms: 20,
          rows: [400 * ratio, 400 * ratio],
          text: [
            [0.25, 0.5],
            [0.75, 1],
          ],
        };
      }),
    ).flat(),
  );
}

describe('the report', () => {
  const data = reportData(run, results());

  it('is as it was', async () => {
    if (data === undefined) throw new Error('no report');
    const figures = reportFigures(data);
    expect(figures.map(({ file }) => file)).toEqual([
      'accuracy-by-ratio.svg',
      'accuracy-by-set.svg',
      'accuracy-by-length.svg',
      'rows-by-layer.svg',
      'preference.svg',
      'preference-by-set.svg',
    ]);
    await expect(reportMarkdown(data, figures, '')).toMatchFileSnapshot('fixtures/report.md.golden');
    await expect(figures[0].svg).toMatchFileSnapshot('fixtures/accuracy-by-ratio.svg.golden');
  });

  it('counts the questions of an absent set whose answer is not there, and false alarms of the others', () => {
    const full = data?.cells[0];
    expect(data?.questions.bySet).toEqual({ fields: 40, absent: 20 });
    expect(full?.sets['absent'].value).toBe(1);
    // Questions 9, 19, 29 and 39 are wrong; 19 and 39 of them say "not stated", of 20 whose answer is there.
    expect(full?.falseAlarms).toEqual({ absent: 2 / 20 });
  });

  it('tells of false alarms where nothing else of a set counts', () => {
    const there = results().filter(({ set, expected }) => set !== 'absent' || expected !== 'not stated');
    const report = reportData(run, there);
    if (report === undefined) throw new Error('no report');
    expect(report.questions.bySet).toEqual({ fields: 40 });
    expect(report.cells[0].falseAlarms).toEqual({ absent: 2 / 20 });
    const lines = reportMarkdown(report, [], '').split('\n');
    const start = lines.indexOf('## Set "absent" (absent)');
    expect(lines.slice(start + 2, start + 7)).toEqual([
      'False alarms: "not stated" for what is there.',
      '',
      '| kept | 5 % | 20 % | 100 % |',
      '|---|---|---|---|',
      '| full |  |  | 10.0 |',
    ]);
  });

  it('leaves out no variant that has no other table', () => {
    const variants = run.settings.variants.filter(({ name }) => name !== 'madakv');
    const rest = results().filter(({ policy }) => policy !== 'madakv');
    const report = reportData({ ...run, settings: { ...run.settings, variants } }, rest);
    if (report === undefined) throw new Error('no report');
    expect(reportMarkdown(report, [], '')).toContain('| no-pooling |');
  });

  it('takes differences question by question', () => {
    const cell = data?.cells.find(({ variant, ratio }) => variant === 'madakv' && ratio === 0.2);
    expect(cell?.toFull).toEqual({ value: 0, low: 0, high: 0 });
  });

  it('leaves questions out that have not all of their answers', () => {
    const partial = reportData(run, results().slice(0, -1));
    expect(partial?.questions).toMatchObject({ complete: 79, incomplete: 1 });
    expect(reportData(run, [])).toBeUndefined();
  });
});
