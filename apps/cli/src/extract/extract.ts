import { relative } from 'node:path';
import { chooseModel, withServer } from '../api/server.access.js';
import { BatchFailedError, type BatchOutcome } from '../batch/batch.run.js';
import type { ResultLine } from '../batch/results.file.js';
import { resumableRun } from '../batch/resumable.run.js';
import { summary, timeOf } from '../batch/run.command.js';
import type { CommandIo } from '../command.io.js';
import { oneLine } from '../error.line.js';
import { UsageError } from '../exit.codes.js';
import { formatCount } from '@madakv/insight';
import type { ExtractFlags } from './extract.flags.js';
import { documentsOf, extractionWork, targetsOf } from './extract.input.js';
import { columnsOf, extractionRow, type ExtractionRow } from './extraction.rows.js';
import { writeDetails, writeTable } from './extraction.table.js';
import { readSchema } from './schema.file.js';

/** Failed documents that are told of beside the table. */
const TOLD = 5;

/** @throws BatchFailedError when documents failed; the table is written all the same */
export async function extract(inputs: readonly string[], flags: ExtractFlags, io: CommandIo): Promise<void> {
  if (flags.detach === true && flags.local === true) {
    throw new UsageError('--detach leaves the extraction to a server that goes on; with --local there is none');
  }
  // What is wrong with the input is said before anything is started.
  const { plan, format } = await readSchema(flags.schema, io);
  const documents = documentsOf(inputs, flags, io);
  const targets = targetsOf(inputs, flags, io);
  await withServer(flags, io, async (access) => {
    const startedAt = performance.now();
    const work = await extractionWork(documents, await chooseModel(access, flags), format, flags);
    let rows: ExtractionRow[] = [];
    const write = ({ lines }: BatchOutcome): void => {
      rows = lines.map(extractionRow);
      const options = { rawCells: flags.rawCsv === true };
      writeTable(targets.table, rows, columnsOf(plan), options);
      if (targets.details !== undefined) writeDetails(targets.details, rows, options);
    };
    const outcome = await resumableRun({ work, path: targets.table.path, write }, access, flags, io);
    if (outcome === undefined) return;
    report(outcome, rows, performance.now() - startedAt, relative(io.cwd, targets.table.path), io);
  });
}

/** @throws BatchFailedError when documents failed */
function report(
  { batch, lines }: BatchOutcome,
  rows: readonly ExtractionRow[],
  watchedMs: number,
  shown: string,
  io: CommandIo,
): void {
  // A row may have failed where its line did not.
  const told = lines.map((line, i): ResultLine => ({ ...line, row: rows[i].answer }));
  io.stderr.write(`${summary(told, batch === undefined ? watchedMs : timeOf(batch, watchedMs))}: ${shown}\n`);
  const misfits = rows.reduce(
    (sum, { fields }) => sum + fields.filter(({ problems }) => problems.length > 0).length,
    0,
  );
  if (misfits > 0) {
    const asked = rows.reduce((sum, { fields }) => sum + fields.length, 0);
    io.stderr.write(
      `${formatCount(misfits)} of ${formatCount(asked)} fields do not fit the schema; problems says why\n`,
    );
  }
  const failed = rows.filter(({ answer }) => answer.error !== '');
  if (failed.length === 0) return;
  for (const { file, answer } of failed.slice(0, TOLD)) io.stderr.write(`  ${file}: ${oneLine(answer.error)}\n`);
  if (failed.length > TOLD) io.stderr.write(`  and ${formatCount(failed.length - TOLD)} more\n`);
  const ending = batch === undefined || batch.status === 'completed' ? '' : ` (the batch is ${batch.status})`;
  throw new BatchFailedError(
    `${formatCount(failed.length)} of ${formatCount(rows.length)} documents failed${ending}; ${shown} says why`,
  );
}
