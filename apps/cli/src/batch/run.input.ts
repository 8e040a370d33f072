import { existsSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { chooseModel, type ServerAccess } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { invocation, shellWord } from '../invocation.js';
import { upTo } from './batch.input.js';
import { jsonlWork, questionsWork, type BatchWork } from './batch.work.js';
import { isDocument, isSystemFile } from './document.files.js';
import { readJsonl } from './jsonl.lines.js';
import { DEFAULT_SHEET, readQuestions, type Asked } from './question.sheet.js';
import type { BatchRunFlags } from './run.flags.js';

/** What a run is given. */
export interface RunInput {
  readonly kind: 'requests' | 'folder' | 'document';
  readonly path: string;
  /** As the caller wrote it. */
  readonly name: string;
  /** Of the questions about a folder or a document. */
  readonly sheet?: { readonly path: string; readonly name: string };
}

type WorkOf = (access: ServerAccess) => Promise<BatchWork>;

const TABLES = ['.csv', '.tsv', '.xlsx', '.xls', '.ods', '.numbers'];

/** @throws UsageError that says what to give instead */
export function runInput(name: string, flags: BatchRunFlags, { cwd }: Pick<CommandIo, 'cwd'>): RunInput {
  const path = resolve(cwd, name);
  if (!existsSync(path)) throw new UsageError(`${name}: no such file or folder`);
  const kind = kindOf(path, name);
  if (kind === 'requests') {
    if (flags.questions === undefined) return { kind, path, name };
    throw new UsageError(`--questions is for a folder of documents or one document; ${name} is read as JSON Lines`);
  }
  if (kind === 'document' && flags.questions === undefined) {
    throw new UsageError(
      `${name}: is a document: name the questions about it with --questions, ` +
        `or ask one with \`${invocation(`ask ${shellWord(name)} "..."`)}\``,
    );
  }
  const sheet = flags.questions === undefined ? join(path, DEFAULT_SHEET) : resolve(cwd, flags.questions);
  if (flags.questions === undefined && !existsSync(sheet)) {
    throw new UsageError(`${name}: no ${DEFAULT_SHEET} in it; name the questions with --questions`);
  }
  return { kind, path, name, sheet: { path: sheet, name: flags.questions ?? join(name, DEFAULT_SHEET) } };
}

/**
 * Reads what is to be asked, before anything is started.
 * @returns what makes work of it once there is a server
 * @throws UsageError
 */
export async function readInput(input: RunInput, flags: BatchRunFlags, io: CommandIo): Promise<WorkOf> {
  const { kind, path, name, sheet } = input;
  if (sheet === undefined) {
    const { model, local, pages, ...others } = flags;
    const named = model === undefined || local === true ? {} : { model };
    const lines = await readJsonl(path, name, (count) => ({
      ...others,
      ...named,
      ...(pages === undefined ? {} : { pages: count > 1 ? upTo(pages) : pages }),
    }));
    return () => Promise.resolve(jsonlWork(lines));
  }
  const asked: Asked = kind === 'folder' ? { folder: path } : { document: path };
  const { encoding } = flags;
  const { questions, notes } = await readQuestions(
    { ...sheet, ...(encoding === undefined ? {} : { encoding }) },
    asked,
  );
  for (const note of notes) io.stderr.write(`${note}\n`);
  return async (access) => questionsWork(questions, await chooseModel(access, flags), flags);
}

function kindOf(path: string, name: string): RunInput['kind'] {
  const stats = statSync(path);
  if (stats.isDirectory()) return 'folder';
  if (!stats.isFile()) throw new UsageError(`${name}: is neither a file nor a folder`);
  if (isSystemFile(path)) throw new UsageError(`${name}: is no document but a system file`);
  const extension = extname(path).toLowerCase();
  if (TABLES.includes(extension)) {
    throw new UsageError(
      `${name}: is a table: give the folder of its documents, and the questions as a CSV file with --questions: ` +
        `\`${invocation(`batch run FOLDER --questions ${extension === '.csv' ? shellWord(name) : 'questions.csv'}`)}\``,
    );
  }
  return isDocument(path, name) ? 'document' : 'requests';
}
