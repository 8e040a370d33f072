import { parse } from 'csv-parse/sync';
import { UsageError } from '../exit.codes.js';
import type { SheetText } from './sheet.encoding.js';

/** A row that is not blank. */
export interface SheetRow {
  /** Cells by the name of their column, trimmed; a cell that the row does not have is empty. */
  readonly cells: ReadonlyMap<string, string>;
  /** Where it ends in the file, from 1. */
  readonly line: number;
}

export interface SheetTable {
  /** Names of the columns, in order: known ones as they are known, others as they stand. */
  readonly columns: readonly string[];
  readonly rows: readonly SheetRow[];
  /** `semicolons`, as people name them. */
  readonly separator: string;
}

/** In the order in which they are tried. */
const SEPARATORS: Readonly<Record<string, string>> = {
  ',': 'commas',
  ';': 'semicolons',
  '\t': 'tabs',
  '|': 'vertical bars',
};

/** Spaces of every kind, and marks that take no room. */
const AROUND = /^[\s\u200b\u2060\ufeff]+|[\s\u200b\u2060\ufeff]+$/g;

/**
 * Reads a table as spreadsheets write them. The separator is what a first line `sep=;` says, else the one by which the
 * header has the required columns. Blank rows are passed over.
 * @param known names of columns that may be written in any case, with spaces or dashes for underscores
 * @param required those of them that must be there
 * @throws UsageError when there are no rows, a column is missing or stands twice, or a row does not fit its header
 */
export function readTable(
  { text }: Pick<SheetText, 'text'>,
  name: string,
  known: readonly string[],
  required: readonly string[],
): SheetTable {
  const written = text.replace(/\r\n?/g, '\n');
  const lines = written.split('\n');
  const hint = /^\s*"?sep=(.)"?\s*$/i.exec(lines[0])?.[1];
  const headerAt = lines.findIndex((line, index) => (index > 0 || hint === undefined) && isWritten(line));
  if (headerAt < 0) throw new UsageError(`${name}: no questions: it is empty`);
  const separator = hint ?? separatorOf(lines[headerAt], known, required);
  const records = parsed(written, separator, headerAt + 1, name);
  const header = records[0].cells.map((cell) => columnName(cell, known));
  requireColumns(header, name, required);
  const columns = distinct(header, name, known);
  const rows = records.slice(1).filter(({ cells }) => cells.some((cell) => cell !== ''));
  if (rows.length === 0) throw new UsageError(`${name}: no questions: there is only a header`);
  return {
    // A separator at the end of every line makes a column without a name.
    columns: columns.filter((column) => column !== ''),
    rows: rows.map((row) => ({ line: row.line, cells: cellsByColumn(row, columns, separator, name) })),
    separator: nameOf(separator),
  };
}

interface CsvRecord {
  readonly cells: readonly string[];
  readonly line: number;
}

function parsed(text: string, delimiter: string, fromLine: number, name: string): CsvRecord[] {
  // With `info` each record comes with where it ended, which the library's types leave out.
  let found: { record: string[]; info: { lines: number } }[];
  try {
    found = parse(text, {
      delimiter,
      from_line: fromLine,
      info: true,
      record_delimiter: '\n',
      // A quote inside of a question is a quote.
      relax_quotes: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof found;
  } catch (cause) {
    throw new UsageError(`${name}: ${(cause as Error).message}`, { cause });
  }
  return found.map(({ record, info }) => ({ cells: record.map(trimmed), line: info.lines }));
}

/** The one by which the header has the required columns, else the one by which it has most. */
function separatorOf(header: string, known: readonly string[], required: readonly string[]): string {
  const tried = Object.keys(SEPARATORS).map((separator) => ({
    separator,
    columns: headerColumns(header, separator, known),
  }));
  const fitting = tried.find(({ columns }) => required.every((column) => columns.includes(column)));
  return (fitting ?? tried.reduce((best, each) => (each.columns.length > best.columns.length ? each : best))).separator;
}

/** None where the header cannot be read by this separator. */
function headerColumns(header: string, separator: string, known: readonly string[]): string[] {
  try {
    return parsed(header, separator, 1, 'header')[0].cells.map((cell) => columnName(cell, known));
  } catch {
    return [];
  }
}

function requireColumns(columns: readonly string[], name: string, required: readonly string[]): void {
  const missing = required.filter((column) => !columns.includes(column));
  if (missing.length === 0) return;
  const there = columns.filter((column) => column !== '').join(', ');
  throw new UsageError(`${name}: no column ${missing.join(', ')}; there are ${there}`);
}

/** Names that tell columns apart: of two that are called the same the second gets a number. */
function distinct(columns: readonly string[], name: string, known: readonly string[]): string[] {
  const seen = new Set<string>();
  return columns.map((column) => {
    if (column === '') return '';
    if (known.includes(column) && seen.has(column)) throw new UsageError(`${name}: two columns are called ${column}`);
    let own = column;
    for (let count = 2; seen.has(own); count++) own = `${column}_${count}`;
    seen.add(own);
    return own;
  });
}

function cellsByColumn(
  { cells, line }: CsvRecord,
  columns: readonly string[],
  separator: string,
  name: string,
): ReadonlyMap<string, string> {
  const beyond = cells.some((cell, index) => cell !== '' && (columns.at(index) ?? '') === '');
  if (beyond) {
    const most = columns.filter((column) => column !== '').length;
    throw new UsageError(
      `${name}: line ${line} has ${cells.length} cells for ${most} columns; ` +
        `a cell with ${nameOf(separator)} in it stands in double quotes`,
    );
  }
  return new Map(columns.flatMap((column, index) => (column === '' ? [] : [[column, cells.at(index) ?? '']])));
}

function columnName(cell: string, known: readonly string[]): string {
  const plain = cell.toLowerCase().replace(/[\s-]+/g, '_');
  return known.includes(plain) ? plain : cell;
}

function trimmed(cell: string): string {
  return cell.replace(AROUND, '');
}

function isWritten(line: string): boolean {
  return trimmed(line).replace(/[\s,;|"]/g, '') !== '';
}

function nameOf(separator: string): string {
  return SEPARATORS[separator] ?? JSON.stringify(separator);
}
