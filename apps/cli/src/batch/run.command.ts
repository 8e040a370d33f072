import { relative } from 'node:path';
import type { BatchObject } from '@madakv/contracts';
import { withServer } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { oneLine } from '../error.line.js';
import { UsageError } from '../exit.codes.js';
import { formatBytes, formatCount, formatMs } from '@madakv/insight';
import { BatchFailedError, type BatchOutcome } from './batch.run.js';
import { resumableRun } from './resumable.run.js';
import { writeResults, type ResultLine } from './results.file.js';
import { readInput, runInput } from './run.input.js';
import type { BatchRunFlags } from './run.flags.js';
import { runTarget } from './run.target.js';

/** Failed lines that are told of beside the results. */
const TOLD = 5;

/** @throws BatchFailedError when lines failed; their results are written all the same */
export async function runBatch(name: string, flags: BatchRunFlags, io: CommandIo): Promise<void> {
  if (flags.detach === true && flags.local === true) {
    throw new UsageError('--detach leaves the batch to a server that goes on; with --local there is none');
  }
  const input = runInput(name, flags, io);
  const target = runTarget(input, flags.out, io);
  // What is wrong with the input is said before anything is started.
  const workOf = await readInput(input, flags, io);
  await withServer(flags, io, async (access) => {
    const startedAt = performance.now();
    const run = {
      work: await workOf(access),
      path: target.path,
      write: ({ lines }: BatchOutcome): void => {
        writeResults(target.path, target.format, lines, { rawCells: flags.rawCsv === true });
      },
    };
    const outcome = await resumableRun(run, access, flags, io);
    if (outcome !== undefined) report(outcome, performance.now() - startedAt, relative(io.cwd, target.path), io);
  });
}

/** @throws BatchFailedError when lines failed */
function report({ batch, lines }: BatchOutcome, watchedMs: number, shown: string, io: CommandIo): void {
  io.stderr.write(`${summary(lines, batch === undefined ? watchedMs : timeOf(batch, watchedMs))}: ${shown}\n`);
  const failed = lines.filter(({ row }) => row.error !== '');
  if (failed.length === 0) return;
  for (const { item, row } of failed.slice(0, TOLD)) {
    io.stderr.write(`  ${item.customId ?? `line ${item.line}`}: ${oneLine(row.error)}\n`);
  }
  if (failed.length > TOLD) io.stderr.write(`  and ${formatCount(failed.length - TOLD)} more\n`);
  const ending = batch === undefined || batch.status === 'completed' ? '' : ` (the batch is ${batch.status})`;
  throw new BatchFailedError(
    `${formatCount(failed.length)} of ${formatCount(lines.length)} lines failed${ending}; ${shown} says why`,
  );
}

/** How long a batch took, in milliseconds: a run that goes on with one saw only its end. Its times are whole seconds. */
export function timeOf({ created_at, ...ended }: BatchObject, watchedMs: number): number {
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
