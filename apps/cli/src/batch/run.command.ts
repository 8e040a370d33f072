import { existsSync, statSync } from 'node:fs';
import { basename, extname, join, relative, resolve } from 'node:path';
import type { BatchObject } from '@madakv/contracts';
import { chooseModel, withServer, type LocalFlags, type ServerAccess } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { formatBytes, formatCount, formatMs } from '../terminal/units.js';
import type { RequestFlags } from './batch.input.js';
import { BatchFailedError, BatchRun } from './batch.run.js';
import { jsonlWork, questionsWork, type BatchWork } from './batch.work.js';
import { readJsonl } from './jsonl.lines.js';
import { DEFAULT_SHEET, readQuestions } from './question.sheet.js';
import { writeResults, type ResultFormat, type ResultLine } from './results.file.js';
import { RunStateFile } from './run.state.js';
import { invocation } from '../invocation.js';

export interface BatchRunFlags extends LocalFlags, RequestFlags {
  readonly questions?: string;
  readonly out?: string;
  readonly detach?: true;
}

interface Target {
  readonly path: string;
  readonly format: ResultFormat;
}

/** @throws BatchFailedError when lines failed; their results are written all the same */
export async function runBatch(input: string, flags: BatchRunFlags, io: CommandIo): Promise<void> {
  const path = resolve(io.cwd, input);
  if (!existsSync(path)) throw new UsageError(`${input}: no such file or folder`);
  if (flags.detach === true && flags.local === true) {
    throw new UsageError('--detach leaves the batch to a server that goes on; with --local there is none');
  }
  const isFolder = statSync(path).isDirectory();
  if (!isFolder && flags.questions !== undefined) throw new UsageError('--questions is for a folder of documents');
  const target = targetOf(path, isFolder, flags, io);
  // What is wrong with the input is said before anything is started.
  const workOf = isFolder ? await folderWork(path, flags, io) : await fileWork(path, input, flags);
  await withServer(flags, io, async (access) => {
    const startedAt = performance.now();
    const stateFile = new RunStateFile(target.path);
    const run = new BatchRun(await workOf(access), access, stateFile, io);
    const id = await run.start();
    if (flags.detach === true) {
      io.stdout.write(`${id}\n`);
      return;
    }
    const { batch, lines } = await run.results(id).catch((error: unknown) => {
      if (io.signal.aborted) io.stderr.write(interruptedText(id, flags));
      throw error;
    });
    writeResults(target.path, target.format, lines);
    stateFile.remove();
    const shown = relative(io.cwd, target.path);
    io.stderr.write(`${summary(lines, timeOf(batch, performance.now() - startedAt))}: ${shown}\n`);
    const failed = lines.filter(({ row }) => row.error !== '').length;
    if (failed === 0) return;
    const ending = batch.status === 'completed' ? '' : ` (the batch is ${batch.status})`;
    throw new BatchFailedError(
      `${formatCount(failed)} of ${formatCount(lines.length)} lines failed${ending}; ${shown} says why`,
    );
  });
}

type WorkOf = (access: ServerAccess) => Promise<BatchWork>;

async function folderWork(folder: string, flags: BatchRunFlags, io: CommandIo): Promise<WorkOf> {
  const sheet = flags.questions === undefined ? join(folder, DEFAULT_SHEET) : resolve(io.cwd, flags.questions);
  if (!existsSync(sheet)) {
    throw new UsageError(
      flags.questions === undefined
        ? `${folder}: no ${DEFAULT_SHEET} in it; name the questions with --questions`
        : `${flags.questions}: no such file`,
    );
  }
  const questions = await readQuestions(sheet, folder);
  return async (access) => questionsWork(questions, await chooseModel(access, flags), flags);
}

async function fileWork(path: string, name: string, flags: BatchRunFlags): Promise<WorkOf> {
  const { model, local, ...others } = flags;
  const named = model === undefined || local === true ? {} : { model };
  const lines = await readJsonl(path, name, { ...others, ...named });
  return () => Promise.resolve(jsonlWork(lines));
}

function targetOf(path: string, isFolder: boolean, { out }: BatchRunFlags, { cwd }: CommandIo): Target {
  if (out === undefined) {
    const name = isFolder ? basename(path) : basename(path, extname(path));
    return isFolder
      ? { path: join(cwd, `${name}.answers.csv`), format: 'csv' }
      : { path: join(cwd, `${name}.answers.jsonl`), format: 'results' };
  }
  switch (extname(out)) {
    case '.csv':
      return { path: resolve(cwd, out), format: 'csv' };
    case '.jsonl':
      return { path: resolve(cwd, out), format: isFolder ? 'rows' : 'results' };
    default:
      throw new UsageError(`${out}: results are written as .csv or .jsonl`);
  }
}

/** How long a batch took, in milliseconds: a run that goes on with one saw only its end. Its times are whole seconds. */
function timeOf({ created_at, ...ended }: BatchObject, watchedMs: number): number {
  const endedAt = ended.completed_at ?? ended.cancelled_at ?? ended.expired_at ?? created_at;
  const batchMs = 1_000 * (endedAt - created_at);
  return batchMs > watchedMs + 1_000 ? batchMs : watchedMs;
}

/** `28 of 28 answered in 41.2 s (0.7/s), cache 19.8 % kept: 1.2 MiB of 6.1 MiB` */
export function summary(lines: readonly ResultLine[], ms: number): string {
  const answered = lines.filter(({ row }) => row.error === '').length;
  const sum = (of: (line: ResultLine) => number | undefined): number =>
    lines.reduce((total, line) => total + (of(line) ?? 0), 0);
  const [full, kept] = [sum(({ row }) => row.bytesFull), sum(({ row }) => row.bytesKept)];
  const share =
    full === 0
      ? ''
      : `, cache ${((100 * kept) / full).toFixed(1)} % kept: ${formatBytes(kept)} of ${formatBytes(full)}`;
  const rate = (1000 * answered) / Math.max(1, ms);
  return `${formatCount(answered)} of ${formatCount(lines.length)} answered in ${formatMs(ms)} (${rate.toFixed(1)}/s)${share}`;
}

function interruptedText(id: string, { local }: BatchRunFlags): string {
  return local === true
    ? 'the batch is kept; the same command goes on with it\n'
    : `the batch ${id} goes on at the server; the same command waits for it again, \`${invocation(`batch cancel ${id}`)}\` stops it\n`;
}
