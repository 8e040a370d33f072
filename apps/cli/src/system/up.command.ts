import { BUNDLED_MODEL } from '@madakv/launcher';
import { InvalidArgumentError, type Command } from 'commander';
import type { CommandIo } from '../command.io.js';
import { wholeNumber } from '../flag.values.js';
import { MODEL_FLAG, MODEL_TEXT } from '../models/model.folder.js';
import { addSystemOptions, systemOptions, type SystemFlags } from './system.flags.js';
import { up } from './up.js';

const DEFAULT_PORT = 8000;

interface UpFlags extends SystemFlags {
  readonly port: number;
  readonly host: string;
  readonly jsonLogs?: true;
}

export function registerUp(program: Command, io: CommandIo): void {
  const command = program
    .command('up')
    .description('Run everything on this machine: Redis, memory-budget service, gateway and workers.')
    .option('--port <number>', 'port of the API', port, DEFAULT_PORT)
    .option('--host <address>', 'address that the API listens on', '127.0.0.1')
    .option(MODEL_FLAG, `what the workers serve: ${MODEL_TEXT} (default: ${BUNDLED_MODEL})`)
    .option('--workers <number>', 'worker processes', wholeNumber(1), 1)
    .option('--json-logs', 'print logs as the services write them, one JSON object a line');
  addSystemOptions(command)
    .addHelpText(
      'after',
      `
Redis is started with persistence in the data folder, unless MADAKV_REDIS_URL names one. Settings of the services are taken
from the environment. Ctrl-C ends all in order; a second one kills.

Examples:
  madakv up
  madakv up --model ~/models/Qwen2.5-VL-3B-Instruct --workers 2 --port 9000
  madakv up --model Qwen/Qwen2.5-VL-3B-Instruct
  MADAKV_REDIS_URL=redis://10.0.0.5:6379 madakv up --data /srv/madakv`,
    )
    .action(async (flags: UpFlags) => {
      const options = { ...(await systemOptions(flags, io)), host: flags.host, port: flags.port };
      await up(options, flags.jsonLogs === true ? 'json' : 'readable', io);
    });
}

function port(text: string): number {
  const value = wholeNumber(0)(text);
  if (value > 65_535) throw new InvalidArgumentError('It must be a whole number of at most 65535.');
  return value;
}
