import type { Command } from 'commander';
import { addServerOptions, findServer, type ServerFlags } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { drawTrace } from './trace.drawing.js';

interface TraceFlags extends ServerFlags {
  readonly json?: true;
}

export function registerTrace(program: Command, io: CommandIo): void {
  addServerOptions(program.command('trace'))
    .description('Draw what the cache reduction did to a request, layer by layer.')
    .argument('<id>', 'of a chat completion, or of a line of a batch')
    .option('--json', 'print the trace document')
    .addHelpText(
      'after',
      `
Examples:
  madakv trace chatcmpl-0123
  madakv trace batch_0123_7 --json | jq .cache.bytes`,
    )
    .action(async (id: string, flags: TraceFlags) => {
      const trace = await findServer(flags, io).client.trace(id);
      const colour = io.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
      io.stdout.write(flags.json === true ? `${JSON.stringify(trace)}\n` : drawTrace(trace, colour));
    });
}
