import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CommandIo } from '../../command.io.js';
import { RunFolder } from '../run/run.folder.js';
import { writeReport } from './report.js';

export function registerEvalReport(group: Command, io: CommandIo): void {
  group
    .command('report')
    .description('Make the report of a run again from its results, without running anything.')
    .argument('<folder>', 'the run’s --out')
    .option('--to <file.md>', 'also write the report there, with its figures in a folder beside it')
    .action((folder: string, { to }: { to?: string }) => {
      const run = RunFolder.open(resolve(io.cwd, folder), folder);
      const { summary, files } = writeReport(run, to === undefined ? undefined : resolve(io.cwd, to));
      io.stdout.write(summary + files.map((file) => `${file}\n`).join(''));
    });
}
