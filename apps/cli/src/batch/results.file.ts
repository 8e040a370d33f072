import { renameSync, writeFileSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import type { BatchResult } from '@madakv/contracts';
import type { AnswerRow } from './batch.results.js';
import type { WorkItem } from './batch.work.js';

/** One line of the results, in the order of the input. */
export interface ResultLine {
  readonly item: WorkItem;
  readonly result: BatchResult | undefined;
  readonly row: AnswerRow;
}

/** csv: a table; rows: the same as JSON objects; results: OpenAI's result objects. */
export type ResultFormat = 'csv' | 'rows' | 'results';

const OWN_COLUMNS = ['custom_id', 'file', 'question'];

/** Writes the results, whole or not at all. */
export function writeResults(path: string, format: ResultFormat, results: readonly ResultLine[]): void {
  const draft = `${path}.tmp`;
  writeFileSync(draft, format === 'csv' ? csvOf(results) : jsonlOf(format, results));
  renameSync(draft, path);
}

function csvOf(results: readonly ResultLine[]): string {
  const rows = results.map(tableRow);
  return stringify(rows, { header: true, columns: Object.keys(rows[0] ?? {}) });
}

function jsonlOf(format: 'rows' | 'results', results: readonly ResultLine[]): string {
  return results
    .map((line) => (format === 'rows' ? tableRow(line) : (line.result ?? withoutResult(line))))
    .map((value) => `${JSON.stringify(value)}\n`)
    .join('');
}

/** Columns of the sheet, then the answer's. A column of the sheet that has the name of an answer's gets `input_` before it. */
function tableRow({ item, row }: ResultLine): Record<string, string | number | null> {
  const answer = {
    answer: row.answer,
    cache_kept: row.cacheKept === undefined ? null : Number(row.cacheKept.toFixed(4)),
    prompt_tokens: row.promptTokens ?? null,
    bytes_full: row.bytesFull ?? null,
    bytes_kept: row.bytesKept ?? null,
    error: row.error,
  };
  const entries = Object.entries(item.columns);
  const own = entries.filter(([name]) => OWN_COLUMNS.includes(name));
  const extras = entries
    .filter(([name]) => !OWN_COLUMNS.includes(name))
    .map(([name, value]) => [name in answer ? `input_${name}` : name, value] as const);
  return { ...Object.fromEntries(own), ...Object.fromEntries(extras), ...answer };
}

function withoutResult({ item }: ResultLine): BatchResult {
  const error = { code: 'no_result', message: 'the server has no result for this line', line: item.line };
  return { id: '', custom_id: item.customId ?? null, response: null, error };
}
