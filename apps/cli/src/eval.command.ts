import type { Command } from 'commander';
import { registerEvalExplain } from './eval/explain/explain.command.js';
import { registerEvalReport } from './eval/report/report.command.js';
import { registerEvalRun } from './eval/run/run.command.js';
import type { CommandIo } from './command.io.js';

/** The group `eval`: without a subcommand it runs an evaluation. */
export function registerEval(program: Command, io: CommandIo): void {
  const group = program
    .command('eval')
    .description('Measure what eviction costs in right answers, and find out where it does.')
    .addHelpText(
      'after',
      `
Examples:
  madakv eval --suite reader --model models/madakv-reader --data requests --out runs/reader
  madakv eval report runs/reader
  madakv eval explain --model models/madakv-reader --data requests/fields.jsonl --id fields-0003-1 --ratio 0.05
  madakv eval run --help`,
    );
  registerEvalRun(group, io);
  registerEvalReport(group, io);
  registerEvalExplain(group, io);
}
