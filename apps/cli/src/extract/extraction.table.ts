import { renameSync, writeFileSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import { warningText } from '../api/answer.warnings.js';
import { safeCell } from '@madakv/insight';
import type { Target } from './extract.input.js';
import { valueAt, type ExtractionRow, type TableColumn } from './extraction.rows.js';

export interface TableOptions {
  /** Cells of a CSV file that begin like formulas stay as they are. */
  readonly rawCells?: boolean;
}

type Cell = string | number | null;
type NamedCells = (readonly [column: string, cell: Cell])[];

/** Between several things in one cell. */
const SEPARATOR = '; ';

/** Writes the table of the documents, whole or not at all. */
export function writeTable(
  { path, format }: Target,
  rows: readonly ExtractionRow[],
  columns: readonly TableColumn[],
  options: TableOptions = {},
): void {
  const content =
    format === 'csv'
      ? csvOf(
          rows.map((row) => tableCells(row, columns)),
          options,
        )
      : rows.map(jsonLine).join('');
  writeWhole(path, content);
}

/** Writes every field of every document, one a line: its answer as it was given, its value, and what its cache kept. */
export function writeDetails(
  { path, format }: Target,
  rows: readonly ExtractionRow[],
  options: TableOptions = {},
): void {
  const lines = rows.flatMap(({ file, fields }) => fields.map((field) => ({ file, ...field })));
  const content =
    format === 'jsonl'
      ? lines.map((line) => `${JSON.stringify(line)}\n`).join('')
      : csvOf(lines.map(detailCells), options, DETAIL_COLUMNS);
  writeWhole(path, content);
}

const DETAIL_COLUMNS = [
  'file',
  'field',
  'answer',
  'value',
  'problems',
  'cache_kept',
  'bytes_full',
  'bytes_kept',
  'completion_tokens',
  'finish_reason',
  'trace_id',
];

function detailCells(field: { readonly file: string } & ExtractionRow['fields'][number]): NamedCells {
  const { file, name, answer, value, problems, bytes, completion_tokens, finish_reason, trace_id } = field;
  const cells: Cell[] = [
    file,
    name,
    answer,
    valueCell(value),
    problemsCell(problems),
    keptShare(bytes),
    bytes.full,
    bytes.kept,
    completion_tokens,
    finish_reason,
    trace_id,
  ];
  return DETAIL_COLUMNS.map((column, i) => [column, cells[i]]);
}

/** A field of the schema that is called like a column of the table's own keeps its name; the other gets `madakv_` before it. */
function tableCells({ file, object, fields, answer }: ExtractionRow, columns: readonly TableColumn[]): NamedCells {
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()));
  const own = (name: string, cell: Cell): readonly [string, Cell] => [taken.has(name) ? `madakv_${name}` : name, cell];
  return [
    own('file', file),
    ...columns.map(({ name, path }) => [name, valueCell(valueAt(object, path))] as const),
    own('problems', problemsCell(fields.flatMap(({ problems }) => problems))),
    own('cache_kept', answer.cacheKept === undefined ? null : rounded(answer.cacheKept)),
    own('prompt_tokens', answer.promptTokens ?? null),
    own('bytes_full', answer.bytesFull ?? null),
    own('bytes_kept', answer.bytesKept ?? null),
    own('warnings', answer.warnings.map(warningText).join(SEPARATOR)),
    own('error', answer.error),
  ];
}

function jsonLine({ file, object, fields, answer }: ExtractionRow): string {
  const row = {
    file,
    values: object,
    problems: fields.flatMap(({ problems }) => problems),
    cache_kept: answer.cacheKept === undefined ? null : rounded(answer.cacheKept),
    prompt_tokens: answer.promptTokens ?? null,
    bytes_full: answer.bytesFull ?? null,
    bytes_kept: answer.bytesKept ?? null,
    warnings: answer.warnings,
    error: answer.error,
  };
  return `${JSON.stringify(row)}\n`;
}

/** Texts and numbers as they are, lists with semicolons, tables as JSON. */
function valueCell(value: unknown): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (Array.isArray(value) && value.every((entry) => typeof entry !== 'object'))
    return value.map(String).join(SEPARATOR);
  return JSON.stringify(value);
}

/** `due_date: is not a date: "in a month"` */
function problemsCell(problems: ExtractionRow['fields'][number]['problems']): string {
  return problems.map(({ name, answer, message }) => `${name}: ${message}: ${JSON.stringify(answer)}`).join(SEPARATOR);
}

function csvOf(rows: readonly NamedCells[], { rawCells = false }: TableOptions, columns?: readonly string[]): string {
  const shown = (cell: Cell): Cell => (typeof cell === 'string' && !rawCells ? safeCell(cell) : cell);
  const header = columns ?? rows.slice(0, 1).flatMap((row) => row.map(([name]) => name));
  return stringify([header.map(shown), ...rows.map((row) => row.map(([, cell]) => shown(cell)))]);
}

function keptShare({ full, kept }: { readonly full: number; readonly kept: number }): number | null {
  return full === 0 ? null : rounded(kept / full);
}

function rounded(share: number): number {
  return Number(share.toFixed(4));
}

function writeWhole(path: string, content: string): void {
  const draft = `${path}.tmp`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}
