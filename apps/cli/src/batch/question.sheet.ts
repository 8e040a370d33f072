import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { UsageError } from '../exit.codes.js';
import { readText } from '../request/request.file.js';
import type { Question } from './batch.input.js';

const OWN_COLUMNS = ['custom_id', 'file', 'question'];

/** The sheet of a folder of documents when none is named. */
export const DEFAULT_SHEET = 'questions.csv';

/** Missing documents that a message names. */
const NAMED = 5;

/**
 * Questions of a CSV file with the columns `file` and `question`, and `custom_id` where the rows bring ids of their own; others
 * are kept.
 * @throws UsageError naming the row when a column, a value or a document is missing, or an id stands twice
 */
export async function readQuestions(sheet: string, folder: string): Promise<Question[]> {
  const rows = records(await readText(sheet, sheet), sheet);
  const ids = new Set<string>();
  const questions = rows.map(({ row, line }) => {
    const { custom_id = '', file = '', question = '', ...extras } = row;
    const where = `${sheet}: line ${line}`;
    if (file.trim() === '') throw new UsageError(`${where}: no file`);
    if (question.trim() === '') throw new UsageError(`${where}: no question`);
    const customId = custom_id.trim() === '' ? `row-${line}` : custom_id.trim();
    if (ids.has(customId)) throw new UsageError(`${where}: the custom_id ${JSON.stringify(customId)} stands twice`);
    ids.add(customId);
    return { customId, file: file.trim(), path: join(folder, file.trim()), question: question.trim(), extras };
  });
  requireDocuments(questions, sheet);
  return questions;
}

interface Row {
  readonly row: Partial<Record<string, string>> & Record<string, string>;
  /** Where it ends in the file. */
  readonly line: number;
}

function records(text: string, sheet: string): Row[] {
  // With `info` each record comes with where it ended, which the library's types leave out.
  let found: { record: Record<string, string>; info: { lines: number } }[];
  try {
    const options = { columns: true, bom: true, skip_empty_lines: true, trim: true, info: true } as const;
    found = parse(text, options) as unknown as typeof found;
  } catch (cause) {
    throw new UsageError(`${sheet}: ${(cause as Error).message}`, { cause });
  }
  if (found.length === 0) throw new UsageError(`${sheet}: no questions`);
  const columns = Object.keys(found[0].record);
  const missing = OWN_COLUMNS.slice(1).filter((column) => !columns.includes(column));
  if (missing.length > 0) {
    throw new UsageError(`${sheet}: no column ${missing.join(', ')}; there are ${columns.join(', ')}`);
  }
  return found.map(({ record, info }) => ({ row: record, line: info.lines }));
}

function requireDocuments(questions: readonly Question[], sheet: string): void {
  const missing = [...new Set(questions.filter(({ path }) => !isFile(path)).map(({ file }) => file))];
  if (missing.length === 0) return;
  const more = missing.length > NAMED ? ` and ${missing.length - NAMED} more` : '';
  throw new UsageError(`${sheet}: no such document: ${missing.slice(0, NAMED).join(', ')}${more}`);
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
