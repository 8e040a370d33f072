import { renameSync, writeFileSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import type { BatchResult } from '@madakv/contracts';
import { warningText, type AnswerWarning } from '../api/answer.warnings.js';
import type { AnswerRow } from './batch.results.js';
import type { WorkItem } from './batch.work.js';
import { safeCell } from '@madakv/insight';

/** One line of the results, in the order of the input. */
export interface ResultLine {
  readonly item: WorkItem;
  readonly result: BatchResult | undefined;
  readonly row: AnswerRow;
}

/** csv: a table; rows: the same as JSON objects; results: OpenAI's result objects. */
export type ResultFormat = 'csv' | 'rows' | 'results';

export interface ResultOptions {
  /** Cells of a CSV file that begin like formulas stay as they are. */
  readonly rawCells?: boolean;
}

type Cell = string | number | null | readonly AnswerWarning[];

const OWN_COLUMNS = ['custom_id', 'file', 'question'];

/** Writes the results, whole or not at all. */
export function writeResults(
  path: string,
  format: ResultFormat,
  results: readonly ResultLine[],
  options: ResultOptions = {},
): void {
  const draft = `${path}.tmp`;
  writeFileSync(draft, format === 'csv' ? csvOf(results, options) : jsonlOf(format, results));
  renameSync(draft, path);
}

function csvOf(results: readonly ResultLine[], { rawCells = false }: ResultOptions): string {
  const shown = (cell: Cell): string | number | null => {
    const plain = typeof cell === 'object' && cell !== null ? cell.map(warningText).join('; ') : cell;
    return typeof plain === 'string' && !rawCells ? safeCell(plain) : plain;
  };
  const header = results.slice(0, 1).map((line) => tableRow(line).map(([name]) => shown(name)));
  return stringify([...header, ...results.map((line) => tableRow(line).map(([, cell]) => shown(cell)))]);
}

function jsonlOf(format: 'rows' | 'results', results: readonly ResultLine[]): string {
  return results
    .map((line) => (format === 'rows' ? Object.fromEntries(tableRow(line)) : (line.result ?? withoutResult(line))))
    .map((value) => `${JSON.stringify(value)}\n`)
    .join('');
}

/** Columns of the sheet, then the answer's. A column of the sheet that has the name of an answer's gets `input_` before it. */
function tableRow({ item, row }: ResultLine): (readonly [column: string, cell: Cell])[] {
  const answer: (readonly [string, Cell])[] = [
    ['answer', row.answer],
    ['cache_kept', row.cacheKept === undefined ? null : Number(row.cacheKept.toFixed(4))],
    ['prompt_tokens', row.promptTokens ?? null],
    ['bytes_full', row.bytesFull ?? null],
    ['bytes_kept', row.bytesKept ?? null],
    ['warnings', row.warnings],
    ['error', row.error],
  ];
  const taken = new Set(answer.map(([name]) => name));
  const entries = [...item.columns];
  return [
    ...entries.filter(([name]) => OWN_COLUMNS.includes(name)),
    ...entries
      .filter(([name]) => !OWN_COLUMNS.includes(name))
      .map(([name, value]) => [taken.has(name.toLowerCase()) ? `input_${name}` : name, value] as const),
    ...answer,
  ];
}

function withoutResult({ item }: ResultLine): BatchResult {
  const error = { code: 'no_result', message: 'the server has no result for this line', line: item.line };
  return { id: '', custom_id: item.customId ?? null, response: null, error };
}
