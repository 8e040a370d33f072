import { dataFolderPath } from '@madakv/launcher';
import { commandThere, type LocalFlags, type ServerAccess } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { BatchRun, type BatchOutcome } from './batch.run.js';
import type { BatchWork } from './batch.work.js';
import { KeptUploads } from './kept.uploads.js';
import { RunStateFile } from './run.state.js';

export interface ResumableRunFlags extends LocalFlags {
  readonly keepFiles?: true;
  readonly detach?: true;
}

export interface ResumableRun {
  readonly work: BatchWork;
  /** The file that is written in the end: how far the run is stands beside it. */
  readonly path: string;
  /** Writes the results. The run is over, and forgotten, when they are there. */
  readonly write: (outcome: BatchOutcome) => void;
}

/**
 * Runs a batch, or goes on with it where the same command was interrupted.
 * @returns undefined where it is not waited for: its id is on stdout then
 */
export async function resumableRun(
  { work, path, write }: ResumableRun,
  access: ServerAccess,
  flags: ResumableRunFlags,
  io: CommandIo,
): Promise<BatchOutcome | undefined> {
  const run = new BatchRun(work, access, io, {
    stateFile: new RunStateFile(path),
    kept: new KeptUploads(dataFolderPath(flags.data, io.cwd), access.identity),
    keepFiles: flags.keepFiles === true,
  });
  const id = await run.start();
  if (flags.detach === true && id !== undefined) {
    io.stdout.write(`${id}\n`);
    return undefined;
  }
  const outcome = await run.results(id).catch((error: unknown) => {
    if (io.signal.aborted && id !== undefined) io.stderr.write(interruptedText(id, flags));
    throw error;
  });
  write(outcome);
  await run.finish();
  return outcome;
}

/** What becomes of a batch whose run was interrupted. */
function interruptedText(id: string, flags: LocalFlags): string {
  return flags.local === true
    ? 'the batch is kept; the same command goes on with it\n'
    : `the batch ${id} goes on at the server; the same command waits for it again, \`${commandThere(`batch cancel ${id}`, flags)}\` stops it\n`;
}
