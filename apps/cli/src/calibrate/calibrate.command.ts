import type { Command } from 'commander';
import type { CommandIo } from '../command.io.js';
import { addEngineOptions, type EngineFlags } from '../engine.flags.js';
import { ratio, wholeNumber } from '../flag.values.js';
import { MODEL_FLAG, MODEL_TEXT } from '../models/model.folder.js';
import { calibrate } from './calibrate.js';

interface CalibrateFlags extends EngineFlags {
  readonly model: string;
  readonly data: string;
  readonly limit?: number;
  readonly ratio: number;
  readonly json?: true;
}

export function registerCalibrate(program: Command, io: CommandIo): void {
  const command = program
    .command('calibrate')
    .description('Measure how much answers depend on each layer’s cache, and keep the profile beside the built model.')
    .requiredOption(MODEL_FLAG, MODEL_TEXT)
    .requiredOption('--data <file>', 'JSONL file: a request a line, with the right answer as "expected" where known')
    .option('--limit <number>', 'take the first requests only', wholeNumber(1))
    .option('--ratio <share>', 'share of its rows that the layer under test keeps', ratio, 0.1)
    .option('--json', 'print the profile as JSON instead of a table');
  addEngineOptions(command)
    .addHelpText(
      'after',
      `
Every request is answered once with the full cache and once for each layer with only that layer cut down. How far the first
token's distribution moves says how many rows the layer deserves. The profile belongs to one precision and device:
\`madakv generate\` with the same --quant, --provider and --cache-dir uses it. This takes as many prefills as the model has
layers, and one more, for each request, and as much memory as one prompt's full cache: a few requests are enough.

Examples:
  madakv calibrate --model models/reader --data calibration.jsonl
  madakv calibrate --model qwen --data calibration.jsonl --quant 4 --limit 16 --ratio 0.05`,
    )
    .action((flags: CalibrateFlags) => calibrate(flags, io));
}
