import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RunFolder, writeReport } from '@madakv/evaluation';
import type { CommandIo } from '../../command.io.js';
import { asUsageErrors } from '../evaluation.errors.js';
import { reportSummary } from './report.summary.js';

export function registerEvalReport(group: Command, io: CommandIo): void {
  group
    .command('report')
    .description('Make the report of a run again from its results, without running anything.')
    .argument('<folder>', 'the run’s --out')
    .option('--to <file.md>', 'also write the report there, with its figures in a folder beside it')
    .action(async (folder: string, { to }: { to?: string }) => {
      const run = await asUsageErrors(() => RunFolder.open(resolve(io.cwd, folder), folder));
      const { report, files } = writeReport(run, to === undefined ? undefined : resolve(io.cwd, to));
      io.stdout.write(reportSummary(report) + files.map((file) => `${file}\n`).join(''));
    });
}
