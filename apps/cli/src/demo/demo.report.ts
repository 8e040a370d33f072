import { scorers } from '@madakv/evaluation/measures';
import type { AnswerRow } from '../batch/batch.results.js';
import { textTable, type Cell } from '../terminal/text.table.js';
import { formatBytes, formatCount, formatMs } from '@madakv/insight';

export interface DemoAnswer {
  readonly question: string;
  readonly file: string;
  readonly expected: string;
  readonly row: AnswerRow;
  /** Time that the model took: prefill, eviction and decoding; pages were drawn and seen before. */
  readonly modelMs: number;
  /** Prompt tokens that were not read for this question, but once for it and others. */
  readonly sharedTokens: number;
  /** Questions that its document was read for at once, this one included. */
  readonly readWith: number;
}

export interface DemoRound {
  readonly cacheRatio: number;
  /** From upload to results. */
  readonly wallMs: number;
  readonly answers: readonly DemoAnswer[];
}

/** So that the table fits 80 columns. */
const QUESTION_WIDTH = 27;
const ANSWER_WIDTH = 17;

/** A table of the round with less cache, what became of its wrong answers with more, and both rounds side by side. */
export function demoReport(reduced: DemoRound, full: DemoRound): string {
  const rows = reduced.answers.map((answer): Cell[] => {
    const { row, question } = answer;
    return [
      clipped(question, QUESTION_WIDTH),
      clipped(row.error === '' ? row.answer.trim() : row.error, ANSWER_WIDTH),
      isRight(answer) ? 'right' : row.error === '' ? 'wrong' : 'failed',
      row.promptTokens === undefined ? '-' : formatCount(row.promptTokens),
      row.cacheKept === undefined ? '-' : percent(row.cacheKept),
      row.bytesFull === undefined || row.bytesKept === undefined ? '-' : formatBytes(row.bytesFull - row.bytesKept),
    ];
  });
  const table = textTable(['question', 'answer', '', 'tokens', 'kept', 'saved'], rows);
  return `\n${table}${corrections(reduced, full)}\n${totals(reduced, full)}`;
}

/** What would have been right, and of each whether it is the cache reduction that made it wrong. */
function corrections(reduced: DemoRound, full: DemoRound): string {
  const missed = reduced.answers.flatMap((answer, index) =>
    isRight(answer) ? [] : [{ answer, with: full.answers[index] }],
  );
  if (missed.length === 0) return '';
  const lines = missed.map(
    ({ answer: { file, question, expected, row }, with: other }) =>
      `  ${file}: ${question} ${expected}${row.error === '' ? ` (${atFullCache(row, other)})` : ''}\n`,
  );
  const wrong = missed.filter(({ answer }) => answer.row.error === '');
  const readers = wrong.filter(({ with: other }) => !isRight(other) && other.row.error === '').length;
  return (
    `\nWhat would have been right:\n${lines.join('')}` +
    (wrong.length === 0
      ? ''
      : `Wrong with the full cache too: ${readers} of ${wrong.length}; ${blame(readers, wrong.length)}\n`)
  );
}

function atFullCache({ answer }: AnswerRow, other: DemoAnswer): string {
  if (other.row.error !== '') return 'the full cache gave no answer';
  if (isRight(other)) return 'the full cache answers right';
  const same = scorers.exact(answer, other.row.answer) === 1;
  return same ? 'the full cache answers the same' : 'the full cache answers something else, wrong too';
}

function blame(readers: number, wrong: number): string {
  if (readers === wrong) return 'the reader’s errors, not the eviction’s.';
  return readers === 0 ? 'what was evicted was needed.' : 'those are the reader’s errors, the others the eviction’s.';
}

export function isRight({ row, expected }: DemoAnswer): boolean {
  return row.error === '' && scorers.exact(row.answer, expected) === 1;
}

function totals(reduced: DemoRound, full: DemoRound): string {
  const both = [reduced, full];
  const line = (name: string, of: (round: DemoRound) => string): Cell[] => [name, ...both.map(of)];
  return textTable(
    ['total', ...both.map(({ cacheRatio }) => `${Number((100 * cacheRatio).toFixed(1))} % of the cache`)],
    [
      line('right', ({ answers }) => {
        const right = answers.filter(isRight).length;
        return `${right} of ${answers.length} (${percent(right / answers.length)})`;
      }),
      line('prompt tokens', (round) => formatCount(sum(round, ({ row }) => row.promptTokens))),
      line('of them shared', (round) => {
        const shared = sum(round, ({ sharedTokens }) => sharedTokens);
        const all = sum(round, ({ row }) => row.promptTokens);
        return `${formatCount(shared)} (${percent(all === 0 ? 0 : shared / all)})`;
      }),
      line('documents', ({ answers }) => formatCount(new Set(answers.map(({ file }) => file)).size)),
      line('questions a reading', (round) => {
        const readings = sum(round, ({ readWith }) => 1 / readWith);
        return (round.answers.length / Math.max(1, readings)).toFixed(1);
      }),
      line('cache kept', (round) => formatBytes(keptBytes(round))),
      line('cache saved', (round) => formatBytes(keptBytes(full) - keptBytes(round))),
      line('time of the model', (round) => formatMs(sum(round, ({ modelMs }) => modelMs))),
      line('time of the batch', ({ wallMs }) => formatMs(wallMs)),
    ],
  );
}

function keptBytes(round: DemoRound): number {
  return sum(round, ({ row }) => row.bytesKept);
}

function sum({ answers }: DemoRound, of: (answer: DemoAnswer) => number | undefined): number {
  return answers.reduce((total, answer) => total + (of(answer) ?? 0), 0);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function clipped(text: string, width: number): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
