import { basename, dirname } from 'node:path';
import { readBytes } from '@madakv/requests';
import { UsageError } from '../exit.codes.js';
import type { Question } from './batch.input.js';
import { findDocument, isSystemFile, type FoundDocument } from './document.files.js';
import { decodeSheet } from './sheet.encoding.js';
import { readTable, type SheetRow } from './sheet.table.js';

const OWN_COLUMNS = ['custom_id', 'file', 'question'];

/** The sheet of a folder of documents when none is named. */
export const DEFAULT_SHEET = 'questions.csv';

/** System files that a note names. */
const NAMED = 3;

export interface SheetSource {
  /** Where it lies. */
  readonly path: string;
  /** As the caller named it. */
  readonly name: string;
  /** Read as this, whatever the bytes look like. */
  readonly encoding?: string;
}

/** What the questions are about: documents of a folder, or one document. */
export type Asked = { readonly folder: string } | { readonly document: string };

export interface QuestionSheet {
  readonly questions: readonly Question[];
  /** What should be said about how it was read, a line each. */
  readonly notes: readonly string[];
}

/**
 * Questions of a CSV file with the columns `file` and `question`, and `custom_id` where the rows bring ids of their own; others
 * are kept. About one document the column `file` may be missing. A document that is not there is a question's problem, not
 * the sheet's.
 * @throws UsageError naming the line when a column or a value is missing, or an id stands twice
 */
export async function readQuestions({ path, name, encoding }: SheetSource, asked: Asked): Promise<QuestionSheet> {
  const decoded = decodeSheet(await readBytes(path, name), name, encoding);
  const required = 'folder' in asked ? OWN_COLUMNS.slice(1) : ['question'];
  const table = readTable(decoded, name, OWN_COLUMNS, required);
  const notes: string[] = [];
  if (table.separator !== 'commas' || decoded.encoding !== 'UTF-8') {
    notes.push(`${name}: read as ${decoded.encoding}, separated by ${table.separator}`);
  }
  const rows = table.rows.filter(({ cells }) => !isSystemFile(cells.get('file') ?? ''));
  const skipped = [...new Set(table.rows.filter((row) => !rows.includes(row)).map(({ cells }) => cells.get('file')))];
  if (skipped.length > 0) {
    const more = skipped.length > NAMED ? ` and ${skipped.length - NAMED} more` : '';
    notes.push(
      `${name}: passed over what is no document but a system file: ${skipped.slice(0, NAMED).join(', ')}${more}`,
    );
  }
  if (rows.length === 0) throw new UsageError(`${name}: no questions: it names only system files`);
  return { questions: questionsOf(rows, name, asked), notes };
}

function questionsOf(rows: readonly SheetRow[], name: string, asked: Asked): Question[] {
  const ids = new Set<string>();
  const found = new Map<string, FoundDocument>();
  return rows.map(({ cells, line }) => {
    const where = `${name}: line ${line}`;
    const file = documentName(cells.get('file') ?? '', where, asked);
    const question = cells.get('question') ?? '';
    if (question === '') throw new UsageError(`${where}: no question`);
    const ownId = cells.get('custom_id') ?? '';
    const customId = ownId === '' ? `row-${line}` : ownId;
    if (ids.has(customId)) throw new UsageError(`${where}: the custom_id ${JSON.stringify(customId)} stands twice`);
    ids.add(customId);
    const folder = 'folder' in asked ? asked.folder : dirname(asked.document);
    const document = found.get(file) ?? findDocument(folder, file);
    found.set(file, document);
    const extras = [...cells].filter(([column]) => !OWN_COLUMNS.includes(column));
    return { customId, file, question, extras, ...document };
  });
}

function documentName(written: string, where: string, asked: Asked): string {
  if ('folder' in asked) {
    if (written === '') throw new UsageError(`${where}: no file`);
    return written;
  }
  const own = basename(asked.document);
  if (written === '' || written.normalize('NFC') === own.normalize('NFC')) return own;
  throw new UsageError(`${where}: asks about ${written}, but the input is ${own}; give the folder of both instead`);
}
