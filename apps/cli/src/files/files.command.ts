import { FilePurposeSchema, type FileObject, type FilePurpose } from '@madakv/contracts';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { addServerOptions, findServer, type ServerFlags } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { wholeNumber } from '../flag.values.js';
import { textTable } from '../terminal/text.table.js';
import { formatBytes, formatTime, parseDuration } from '@madakv/insight';
import { removeFiles, type RemoveFlags } from './files.remove.js';

interface ListFlags extends ServerFlags {
  readonly purpose?: FilePurpose;
  readonly limit: number;
  readonly json?: true;
}

export function registerFiles(program: Command, io: CommandIo): void {
  const files = program
    .command('files')
    .description('Look at the files that a server keeps, and delete them.')
    .addHelpText(
      'after',
      `
Examples:
  madakv files list
  madakv files rm --older-than 7d`,
    );
  registerList(files, io);
  registerRemove(files, io);
}

function registerList(files: Command, io: CommandIo): void {
  addServerOptions(files.command('list'))
    .description('List files, the newest first: documents, inputs of batches, and results.')
    .addOption(purposeOption('only those of a purpose'))
    .option('--limit <number>', 'at most so many', wholeNumber(1), 20)
    .option('--json', 'print one file object a line')
    .addHelpText('after', '\nExamples:\n  madakv files list --purpose user_data --limit 100')
    .action(async (flags: ListFlags) => {
      const found: FileObject[] = [];
      for await (const each of findServer(flags, io).client.files(flags.purpose, Math.min(flags.limit, 1_000))) {
        if (found.push(each) === flags.limit) break;
      }
      if (flags.json === true) for (const each of found) io.stdout.write(`${JSON.stringify(each)}\n`);
      else io.stdout.write(fileTable(found));
    });
}

function registerRemove(files: Command, io: CommandIo): void {
  addServerOptions(files.command('rm'))
    .description('Delete files by id, or all that the filters leave. What a running batch reads stays.')
    .argument('[ids...]')
    .option('--all', 'every file')
    .option('--older-than <time>', 'files uploaded longer ago than that, like 12h, 7d or 2w', duration)
    .addOption(purposeOption('files of a purpose'))
    .option('--yes', 'do not ask before')
    .option('--json', 'print one object a deleted file')
    .addHelpText(
      'after',
      `
Without ids it says what it would delete and asks; elsewhere than at a terminal --yes is needed.

Examples:
  madakv files rm file-0123 file-4567
  madakv files rm --older-than 7d --purpose batch_output
  madakv files rm --all --yes`,
    )
    .action((ids: string[], flags: RemoveFlags) => removeFiles(ids, flags, io));
}

function purposeOption(description: string): Option {
  return new Option('--purpose <name>', description).choices(FilePurposeSchema.options);
}

function fileTable(files: readonly FileObject[]): string {
  const rows = files.map(({ id, purpose, bytes, created_at, expires_at, filename }) => [
    id,
    purpose,
    formatBytes(bytes),
    formatTime(created_at),
    expires_at === undefined ? 'never' : formatTime(expires_at),
    filename,
  ]);
  return textTable(['file', 'purpose', 'size', 'created', 'expires', 'name'], rows);
}

function duration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new InvalidArgumentError('It must be a time such as 90s, 30m, 12h, 7d or 2w.');
  return seconds;
}
