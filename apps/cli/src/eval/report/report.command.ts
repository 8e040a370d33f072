import { resolve } from 'node:path';
import type { Command } from 'commander';
import { RunFolder, writeReport } from '@madakv/evaluation';
import type { CommandIo } from '../../command.io.js';
import { asUsageErrors } from '../evaluation.errors.js';
import { listFlag, ratioList } from '../variant.flags.js';
import { reportSummary } from './report.summary.js';

interface Flags {
  readonly to?: string;
  readonly policies?: readonly string[];
  readonly ratios?: readonly number[];
}

export function registerEvalReport(group: Command, io: CommandIo): void {
  group
    .command('report')
    .description('Make the report of a run again from its results, without running anything.')
    .argument('<folder>', 'the run’s --out')
    .option('--to <file.md>', 'also write the report there, with its figures in a folder beside it')
    .option('--policies <names>', 'report on these alone; also: ablation (default: all that were run)', listFlag)
    .option('--ratios <list>', 'report on these shares of the cache alone, and on the whole', ratioList)
    .addHelpText(
      'after',
      `
With --policies or --ratios, what lies in the folder stays as it is: the report is printed, and written to --to.

Examples:
  madakv eval report runs/reader
  madakv eval report runs/reader --policies full,ablation --ratios 0.05,0.1 --to ablation.md`,
    )
    .action(async (folder: string, { to, ...part }: Flags) => {
      const run = await asUsageErrors(() => {
        const whole = RunFolder.open(resolve(io.cwd, folder), folder);
        return part.policies === undefined && part.ratios === undefined ? whole : whole.part(part);
      });
      const { report, files } = writeReport(run, to === undefined ? undefined : resolve(io.cwd, to));
      io.stdout.write(reportSummary(report) + files.map((file) => `${file}\n`).join(''));
    });
}
