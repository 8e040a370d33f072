import type { ListKind, TableColumn, TableKind } from './extraction.plan.js';
import { CELL_SEPARATOR } from './field.question.js';
import { readScalar, type Notation } from './field.value.js';
import { isAbsent } from './values/absent.answer.js';
import { dateWord, MONTHS } from './values/month.names.js';
import { bare, isProblem, plain } from './values/reading.js';

/** Something in an answer that does not fit. */
export interface EntryProblem {
  /** Which part of the field: `[2]`, `[0].amount`; empty for all of it. */
  readonly part: string;
  /** What stands there. */
  readonly answer: string;
  /** Quotes nothing of the document. */
  readonly message: string;
}

export interface Entries {
  /** Null where they do not come to as many as there have to be. */
  readonly value: readonly unknown[] | null;
  readonly problems: readonly EntryProblem[];
}

/** The entries of a list, one a line. What does not fit is left out of it. */
export function readList(answer: string, kind: ListKind, notation: Notation): Entries {
  const problems: EntryProblem[] = [];
  const value = entriesIn(answer).flatMap((text, index) => {
    const reading = readScalar(text, kind.item, notation);
    if (!isProblem(reading)) return reading.value === null ? [] : [reading.value];
    problems.push({ part: `[${index}]`, answer: text, message: reading.problem });
    return [];
  });
  return limited(value, problems, kind, answer);
}

/** The rows of a table, one a line, as objects. Rows that do not have a cell for each column are left out. */
export function readTable(answer: string, kind: TableKind, notation: Notation): Entries {
  const { columns } = kind;
  const problems: EntryProblem[] = [];
  const value = rowsIn(answer, columns).flatMap((cells, index) => {
    const part = `[${index}]`;
    if (cells.length !== columns.length) {
      const message = `has ${cells.length} cells for ${columns.length} columns`;
      problems.push({ part, answer: cells.join(` ${CELL_SEPARATOR} `), message });
      return [];
    }
    const members = columns.flatMap((column, i) => {
      const found = cellOf(cells[i], column, notation);
      if (found.message !== undefined) {
        problems.push({ part: `${part}.${column.name}`, answer: cells[i], message: found.message });
      }
      return found.isThere ? [[column.name, found.value] as const] : [];
    });
    return [Object.fromEntries(members)];
  });
  return limited(value, problems, kind, answer);
}

/** The cells of each row as they stand. */
export function rowsIn(answer: string, columns: readonly TableColumn[]): string[][] {
  const headers = [columns.map(({ label }) => plain(label)), columns.map(({ name }) => plain(name))].map((row) =>
    row.join('|'),
  );
  return linesOf(answer)
    .filter((line) => !/^[\s|:=-]+$/u.test(line))
    .map((line) =>
      line
        .replace(/^\|/u, '')
        .replace(/\|$/u, '')
        .split(CELL_SEPARATOR)
        .map((cell) => cell.trim()),
    )
    .filter((cells) => !headers.includes(cells.map(plain).join('|')));
}

/** The entries as they stand: lines without bullets; of one line what stands between semicolons. */
export function entriesIn(answer: string): string[] {
  const lines = withoutNumbers(linesOf(answer).map((line) => line.replace(/^[-*\u2022\u2013]\s+/u, '')));
  return lines.length === 1 ? lines[0].split(/\s*;\s*/u).filter((text) => text !== '') : lines;
}

/** Lines without the numbers that count them: `1.`, `2.`, and so on. That of `1. Mai` is a day. */
function withoutNumbers(lines: readonly string[]): string[] {
  const counted = lines.map((line) => /^(\d{1,3})[.)]\s+((\S+).*)$/su.exec(line));
  const isCounted = counted.every(
    (found, i) => found !== null && Number(found[1]) === i + 1 && !MONTHS.has(dateWord(found[3]).replace(/\.$/, '')),
  );
  return lines.map((line, i) => (isCounted ? (counted[i]?.[2] ?? line) : line));
}

function linesOf(answer: string): string[] {
  const text = answer.replace(/^\s*```[^\n]*\n|\n?```\s*$/gu, '');
  const lines = text
    .split(/\r\n|\r|\n/u)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.length === 1 && isAbsent(bare(lines[0])) ? [] : lines;
}

interface Cell {
  readonly value: unknown;
  /** The row has this member. */
  readonly isThere: boolean;
  readonly message?: string;
}

function cellOf(text: string, { kind, required, nullable }: TableColumn, notation: Notation): Cell {
  const reading = readScalar(text, kind, notation);
  const value = isProblem(reading) ? null : reading.value;
  const isThere = value !== null || nullable || required;
  if (isProblem(reading)) return { value, isThere, message: reading.problem };
  return value === null && required && !nullable
    ? { value, isThere, message: 'is required, and empty' }
    : { value, isThere };
}

function limited(
  value: readonly unknown[],
  problems: readonly EntryProblem[],
  { minItems, maxItems }: ListKind | TableKind,
  answer: string,
): Entries {
  const count = value.length;
  const complaint =
    count > maxItems
      ? `has ${count} entries; at most ${maxItems} are wanted`
      : count < minItems && count > 0
        ? `has ${count} entries; at least ${minItems} are wanted`
        : undefined;
  if (complaint !== undefined)
    return { value: null, problems: [...problems, { part: '', answer, message: complaint }] };
  return { value: count < minItems ? null : value, problems };
}
