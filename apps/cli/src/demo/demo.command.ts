import { resolve } from 'node:path';
import { BUNDLED_MODEL } from '@madakv/launcher';
import type { Command } from 'commander';
import type { CommandIo } from '../command.io.js';
import { ratio } from '../flag.values.js';
import { MODEL_FLAG, MODEL_TEXT } from '../models/model.folder.js';
import { servedModel } from '../system/system.flags.js';
import { demo } from './demo.js';

interface DemoFlags {
  readonly model?: string;
  readonly cacheRatio: number;
  readonly keep?: string;
}

export function registerDemo(program: Command, io: CommandIo): void {
  program
    .command('demo')
    .description('Answer the sample documents’ questions with a part of the cache, and with all of it, and compare.')
    .option(MODEL_FLAG, `${MODEL_TEXT} (default: ${BUNDLED_MODEL})`)
    .option('--cache-ratio <share>', 'share of each prompt’s cache to keep', ratio, 0.2)
    .option('--keep <folder>', 'keep the data folder, to look at traces with `madakv up --data` afterwards')
    .addHelpText(
      'after',
      `
Starts everything in a temporary data folder and ends it again.

Examples:
  madakv demo
  madakv demo --cache-ratio 0.05 --keep ./demo-data`,
    )
    .action(async (flags: DemoFlags) =>
      demo(
        {
          model: await servedModel(flags.model, io),
          cacheRatio: flags.cacheRatio,
          ...(flags.keep === undefined ? {} : { dataFolder: resolve(io.cwd, flags.keep) }),
        },
        io,
      ),
    );
}
