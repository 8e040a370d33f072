import { InvalidArgumentError, type Command } from 'commander';
import { openModel } from '@madakv/models';
import type { CommandIo } from '../command.io.js';
import { parseBytes } from '../terminal/units.js';
import { modelFigures } from './model.figures.js';
import { modelReport } from './model.report.js';

const GIB = 2 ** 30;
const DEFAULT_MEMORIES = [4 * GIB, 8 * GIB, 16 * GIB, 24 * GIB];

interface InspectFlags {
  readonly json?: true;
  readonly memory?: readonly number[];
}

/** The group `models`. */
export function registerModels(program: Command, io: CommandIo): void {
  const models = program
    .command('models')
    .description('Look at checkpoints.')
    .addHelpText('after', '\nExamples:\n  madakv models inspect models/madakv-reader');
  models
    .command('inspect')
    .description('What a checkpoint is, what it weighs, and how long a prompt fits in how much memory.')
    .argument('<folder>', 'Hugging Face checkpoint folder')
    .option('--memory <bytes>', 'memory to fit into, such as 8GiB; may be repeated (default: 4, 8, 16, 24 GiB)', memory)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  madakv models inspect models/madakv-reader
  madakv models inspect qwen --memory 6GiB --memory 12GiB
  madakv models inspect qwen --json`,
    )
    .action((folder: string, flags: InspectFlags) => {
      const figures = modelFigures(openModel(folder), flags.memory ?? DEFAULT_MEMORIES);
      io.stdout.write(flags.json === true ? `${JSON.stringify(figures)}\n` : modelReport(figures));
    });
}

function memory(text: string, before: readonly number[] = []): number[] {
  const bytes = parseBytes(text);
  if (bytes === undefined || bytes === 0) throw new InvalidArgumentError('It must be a size such as 8GiB or 500MB.');
  return [...before, bytes];
}
