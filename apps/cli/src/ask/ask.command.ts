import type { Command } from 'commander';
import { addLocalOption } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { pages, ratio, wholeNumber } from '../flag.values.js';
import { ask, type AskFlags } from './ask.js';

export function registerAsk(program: Command, io: CommandIo): void {
  const command = program
    .command('ask')
    .description('Ask a question about a PDF or an image.')
    .argument('<file>', 'PDF or image: PNG, JPEG, WebP and what else the server takes')
    .argument('<question>')
    .option('--model <name>', 'model to ask (default: the only one); with --local a folder or org/name[@revision]')
    .option('--pages <ranges>', 'pages of a PDF, like 1-3,7; 1-3? for what there is of them', pages)
    .option('--cache-ratio <share>', 'share of the prompt’s cache to keep', ratio)
    .option('--policy <name>', 'eviction policy')
    .option('--max-tokens <number>', 'most tokens of the answer', wholeNumber(1))
    .option('--json', 'print one JSON object: answer, usage and what the cache kept');
  addLocalOption(command)
    .addHelpText(
      'after',
      `
Examples:
  madakv ask invoice.pdf "What is the due date?"
  madakv ask report.pdf "Who is the treasurer?" --pages 1-4 --cache-ratio 0.1
  madakv ask receipt.jpg "Total?" --local --json`,
    )
    .action((file: string, question: string, flags: AskFlags) => ask(file, question, flags, io));
}
