import { existsSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { ChatRequest, ResponseFormat } from '@madakv/contracts';
import { documentRequest, type RequestFlags } from '../batch/batch.input.js';
import { documentsWork, type BatchWork, type DocumentItem } from '../batch/batch.work.js';
import { filesIn, findDocument, isDocument, isSystemFile } from '../batch/document.files.js';
import { requireWritable } from '../batch/run.target.js';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import type { ExtractFlags } from './extract.flags.js';

/** Files that a note names. */
const NAMED = 3;

/** A file that something is written to. */
export interface Target {
  readonly path: string;
  readonly format: 'csv' | 'jsonl';
}

/**
 * The documents of all inputs, each a document itself or a folder of them. Those of one folder are called as they lie in it,
 * others as the caller names them.
 * @throws UsageError when an input is not there, is no document, or has none in it
 */
export function documentsOf(names: readonly string[], flags: ExtractFlags, io: CommandIo): readonly DocumentItem[] {
  const own = [flags.schema, flags.out, flags.details].flatMap((file) =>
    file === undefined ? [] : [resolve(io.cwd, file)],
  );
  const found = names.flatMap((name): FoundFile[] => {
    const path = resolve(io.cwd, name);
    if (!existsSync(path)) throw new UsageError(`${name}: no such file or folder`);
    if (!statSync(path).isDirectory()) return [{ name: names.length === 1 ? basename(path) : name, path }];
    const { documents, others } = filesIn(path);
    if (documents.length === 0) throw new UsageError(`${name}: no documents in it: PDFs or images`);
    notePassedOver(
      name,
      others.filter((file) => !own.includes(join(path, file))),
      io,
    );
    const prefix = names.length === 1 ? '' : `${name.replace(/[\\/]+$/, '')}/`;
    return documents.map((file) => ({ name: `${prefix}${file}`, path: join(path, file) }));
  });
  for (const { name, path } of found) {
    if (isSystemFile(path) || !isDocument(path, name)) {
      throw new UsageError(`${name}: is no document; expected a PDF, an image, or a folder of them`);
    }
  }
  return found.map(({ name, path }, index) => {
    const { problem } = findDocument(dirname(path), basename(path));
    return {
      customId: `document-${index + 1}`,
      file: name,
      path,
      columns: new Map([['file', name]]),
      ...(problem === undefined ? {} : { problem }),
    };
  });
}

interface FoundFile {
  readonly name: string;
  readonly path: string;
}

function notePassedOver(name: string, files: readonly string[], { stderr }: Pick<CommandIo, 'stderr'>): void {
  if (files.length === 0) return;
  const more = files.length > NAMED ? ` and ${files.length - NAMED} more` : '';
  stderr.write(`${name}: passed over what is no document: ${files.slice(0, NAMED).join(', ')}${more}\n`);
}

/**
 * What is asked, one request a document.
 * @param format the schema of a row
 */
export function extractionWork(
  items: readonly DocumentItem[],
  model: string,
  format: ResponseFormat,
  flags: RequestFlags,
): Promise<BatchWork> {
  return documentsWork(items, flags, (_index, fileId, ofEach): ChatRequest => {
    const { madakv, ...request } = documentRequest(model, fileId, undefined, ofEach);
    return { ...request, response_format: format, madakv: { ...madakv, extract: true } };
  });
}

/**
 * Where the table goes, and what the fields were answered.
 * @param names of inputs that are there
 * @throws UsageError before any work when they cannot be written
 */
export function targetsOf(
  names: readonly string[],
  { out, details, schema }: ExtractFlags,
  { cwd }: Pick<CommandIo, 'cwd'>,
): { readonly table: Target; readonly details: Target | undefined } {
  const inputs = names.map((name) => resolve(cwd, name));
  const [first] = inputs;
  const stem = statSync(first).isDirectory() ? basename(first) : basename(first, extname(first));
  const table = targetOf(out ?? (names.length === 1 ? `${stem}.extracted.csv` : 'extracted.csv'), cwd);
  const other = details === undefined ? undefined : targetOf(details, cwd);
  const sources = [...inputs, resolve(cwd, schema)];
  requireWritable(table.path, out ?? basename(table.path), sources);
  if (other !== undefined) requireWritable(other.path, details ?? '', [...sources, table.path]);
  return { table, details: other };
}

function targetOf(name: string, cwd: string): Target {
  switch (extname(name).toLowerCase()) {
    case '.csv':
      return { path: resolve(cwd, name), format: 'csv' };
    case '.jsonl':
      return { path: resolve(cwd, name), format: 'jsonl' };
    default:
      throw new UsageError(`${name}: tables are written as .csv or .jsonl`);
  }
}
