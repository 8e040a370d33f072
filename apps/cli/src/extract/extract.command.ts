import type { Command } from 'commander';
import { addLocalOption } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { pages, ratio, wholeNumber } from '../flag.values.js';
import { extract } from './extract.js';
import type { ExtractFlags } from './extract.flags.js';

export function registerExtract(program: Command, io: CommandIo): void {
  const command = program
    .command('extract')
    .description('Make a table of documents: a row each, its columns described by a JSON schema.')
    .argument('<inputs...>', 'documents, PDFs and images, and folders of them')
    .requiredOption('--schema <file>', 'JSON schema of a row: an object with properties')
    .option('-o, --out <file>', 'the table: .csv or .jsonl (default: INPUT.extracted.csv, of several extracted.csv)')
    .option('--details <file>', 'every field with its answer, value and cache: .csv or .jsonl')
    .option('--raw-csv', 'write cells that begin with =, +, - or @ as they are, without a quote before them')
    .option('--model <name>', 'model to ask (default: the only one); with --local a folder or org/name[@revision]')
    .option('--cache-ratio <share>', 'share of the cache of each question to keep', ratio)
    .option('--policy <name>', 'eviction policy')
    .option('--max-tokens <number>', 'most tokens of the answer for a field', wholeNumber(1))
    .option('--pages <ranges>', 'pages of each PDF, like 1-3,7; of several documents those that they have', pages)
    .option('--workers <number>', 'with --local: worker processes', wholeNumber(1))
    .option('--keep-files', 'leave what was uploaded at the server, for the next run (default: deleted at the end)')
    .option('--detach', 'start the extraction, print the id of its batch and end');
  addLocalOption(command)
    .addHelpText(
      'after',
      `
Each property of the schema is one question, asked by its title or its key; all questions about a document are answered on one
reading of it. Answers become values of the property's type: numbers with either decimal mark, dates as 2025-03-14, null for
what the document does not state. One that does not fit is left out, and stands in the column problems with the reason.

A file beside the table (OUT.run.json) remembers how far a run has come: interrupted, it goes on with the same command. A
document that cannot be read is a row with its error; all others are read. Exit code 1 when documents failed.

Examples:
  madakv extract invoices/ --schema invoice.schema.json -o invoices.csv --local
  madakv extract scan.pdf --schema invoice.schema.json -o scan.jsonl --details fields.csv`,
    )
    .action((inputs: string[], flags: ExtractFlags) => extract(inputs, flags, io));
}
