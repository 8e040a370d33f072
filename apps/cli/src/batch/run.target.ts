import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import type { ResultFormat } from './results.file.js';
import type { RunInput } from './run.input.js';

/** Where results go. */
export interface RunTarget {
  readonly path: string;
  readonly format: ResultFormat;
}

/**
 * Decides where results go, and makes their folder: what stands in their way is said before any work.
 * @throws UsageError
 */
export function runTarget(input: RunInput, out: string | undefined, { cwd }: Pick<CommandIo, 'cwd'>): RunTarget {
  const target = out === undefined ? defaultTarget(input, cwd) : namedTarget(input, out, cwd);
  requireWritable(target.path, out ?? basename(target.path), [input.path, input.sheet?.path]);
  return target;
}

/**
 * Makes the folder of a file of results.
 * @param shown how the caller calls it
 * @param sources what must not be written over
 * @throws UsageError
 */
export function requireWritable(path: string, shown: string, sources: readonly (string | undefined)[]): void {
  if (sources.includes(path)) throw new UsageError(`${shown}: results would be written over what is asked`);
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new UsageError(`${shown}: is a folder; name a .csv or .jsonl file`);
  }
  const folder = dirname(path);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'EACCES' ? 'may not be written to' : 'cannot be made';
    throw new UsageError(`${shown}: its folder ${folder} ${why}`, { cause });
  }
}

function defaultTarget({ kind, path }: RunInput, cwd: string): RunTarget {
  const name = kind === 'folder' ? basename(path) : basename(path, extname(path));
  return kind === 'requests'
    ? { path: join(cwd, `${name}.answers.jsonl`), format: 'results' }
    : { path: join(cwd, `${name}.answers.csv`), format: 'csv' };
}

function namedTarget({ kind }: RunInput, out: string, cwd: string): RunTarget {
  switch (extname(out).toLowerCase()) {
    case '.csv':
      return { path: resolve(cwd, out), format: 'csv' };
    case '.jsonl':
      return { path: resolve(cwd, out), format: kind === 'requests' ? 'results' : 'rows' };
    default:
      throw new UsageError(`${out}: results are written as .csv or .jsonl`);
  }
}
