import type { Command } from 'commander';
import { addLocalOption, addServerOptions, findServer, type ServerFlags } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { pages, ratio, wholeNumber } from '../flag.values.js';
import { formatCount, formatTime } from '@madakv/insight';
import { textTable } from '../terminal/text.table.js';
import { batchReport } from './batch.report.js';
import { writeResults, type DownloadFlags } from './results.download.js';
import { runBatch } from './run.command.js';
import type { BatchRunFlags } from './run.flags.js';

interface ListFlags extends ServerFlags {
  readonly limit: number;
  readonly json?: true;
}

export function registerBatch(program: Command, io: CommandIo): void {
  const batch = program
    .command('batch')
    .description('Ask many questions at once: the server keeps them and answers as it has room.')
    .addHelpText(
      'after',
      `
Examples:
  madakv batch run invoices/ --questions questions.csv -o answers.csv --local
  madakv batch status batch_0123`,
    );
  registerRun(batch, io);
  registerStatus(batch, io);
  registerCancel(batch, io);
  registerRetry(batch, io);
  registerResults(batch, io);
  registerList(batch, io);
}

function registerRun(batch: Command, io: CommandIo): void {
  const run = batch
    .command('run')
    .description('Run a batch from input to results. Interrupted, it goes on with the same command.')
    .argument('<input>', 'folder of documents, one document, or a JSONL file of requests')
    .option(
      '--questions <csv>',
      'questions about documents: columns file, question, custom_id (default: questions.csv in the folder)',
    )
    .option('--encoding <name>', 'encoding of the questions, like windows-1251 (default: found out)')
    .option('-o, --out <file>', 'results: .csv or .jsonl (default: INPUT.answers.csv or .jsonl)')
    .option('--raw-csv', 'write cells that begin with =, +, - or @ as they are, without a quote before them')
    .option('--model <name>', 'model to ask (default: the only one); with --local a folder or org/name[@revision]')
    .option('--cache-ratio <share>', 'share of each prompt’s cache to keep', ratio)
    .option('--policy <name>', 'eviction policy')
    .option('--max-tokens <number>', 'most tokens of an answer', wholeNumber(1))
    .option('--pages <ranges>', 'pages of each PDF, like 1-3,7; of several documents those that they have', pages)
    .option('--workers <number>', 'with --local: worker processes', wholeNumber(1))
    .option('--keep-files', 'leave what was uploaded at the server, for the next run (default: deleted at the end)')
    .option('--detach', 'start the batch, print its id and end');
  addLocalOption(run)
    .addHelpText(
      'after',
      `
Without flags a JSONL file is sent as it is; flags are written into each of its requests. A file beside the results
(OUT.run.json) remembers how far a run has come; it is gone when the results are there. What cannot be asked, such as a
document that is not there or cannot be read, is a row with its error; all others are answered. Exit code 1 when rows failed.

Examples:
  madakv batch run invoices/ --local
  madakv batch run invoices/ --questions asked.csv -o answers.csv --cache-ratio 0.1
  madakv batch run contract.pdf --questions asked.csv -o answers.csv
  madakv batch run requests.jsonl -o results.jsonl --url https://madakv.example`,
    )
    .action((input: string, flags: BatchRunFlags) => runBatch(input, flags, io));
}

function registerStatus(batch: Command, io: CommandIo): void {
  addServerOptions(batch.command('status'))
    .description('Say how far a batch has come.')
    .argument('<id>')
    .option('--json', 'print the batch object')
    .addHelpText('after', '\nExamples:\n  madakv batch status batch_0123')
    .action(async (id: string, flags: ServerFlags & { json?: true }) => {
      const found = await findServer(flags, io).client.batch(id);
      io.stdout.write(flags.json === true ? `${JSON.stringify(found)}\n` : batchReport(found));
    });
}

function registerCancel(batch: Command, io: CommandIo): void {
  addServerOptions(batch.command('cancel'))
    .description('Stop a batch: what waits at once, what runs at its next step. Finished answers stay.')
    .argument('<id>')
    .option('--json', 'print the batch object')
    .addHelpText('after', '\nExamples:\n  madakv batch cancel batch_0123')
    .action(async (id: string, flags: ServerFlags & { json?: true }) => {
      const found = await findServer(flags, io).client.cancelBatch(id);
      io.stdout.write(flags.json === true ? `${JSON.stringify(found)}\n` : batchReport(found));
    });
}

function registerRetry(batch: Command, io: CommandIo): void {
  addServerOptions(batch.command('retry'))
    .description(
      'Ask the failed lines of a batch again, as a batch of their own. What was answered is not asked again; asked for twice, it is one batch.',
    )
    .argument('<id>', 'a batch that has ended')
    .option('--json', 'print the batch object')
    .addHelpText('after', '\nExamples:\n  madakv batch retry batch_0123')
    .action(async (id: string, flags: ServerFlags & { json?: true }) => {
      const made = await findServer(flags, io).client.retryBatch(id);
      io.stdout.write(flags.json === true ? `${JSON.stringify(made)}\n` : batchReport(made));
    });
}

function registerResults(batch: Command, io: CommandIo): void {
  addServerOptions(batch.command('results'))
    .description('Fetch the results of a batch that has ended, in the order of its lines.')
    .argument('<id>')
    .option('-o, --out <file>', 'write them to a .jsonl or .csv file (default: JSON Lines on standard output)')
    .option('--no-joined', 'leave lines failed that a retry has answered since')
    .addHelpText(
      'after',
      `
A line that failed and that a retry has answered has the retry's result, with the retry's id in madakv.answered_by (CSV:
answered_by).

Examples:
  madakv batch results batch_0123 -o results.csv
  madakv batch results batch_0123 | jq .custom_id`,
    )
    .action((id: string, flags: DownloadFlags) => writeResults(id, flags, io));
}

function registerList(batch: Command, io: CommandIo): void {
  addServerOptions(batch.command('list'))
    .description('List batches, the newest first.')
    .option('--limit <number>', 'at most so many', wholeNumber(1), 20)
    .option('--json', 'print one batch object a line')
    .addHelpText('after', '\nExamples:\n  madakv batch list --limit 5')
    .action(async (flags: ListFlags) => {
      const found = [];
      for await (const each of findServer(flags, io).client.batches(Math.min(flags.limit, 100))) {
        if (found.push(each) === flags.limit) break;
      }
      if (flags.json === true) {
        for (const each of found) io.stdout.write(`${JSON.stringify(each)}\n`);
        return;
      }
      const rows = found.map(({ id, status, created_at, request_counts: { total, completed, failed } }) => [
        id,
        status,
        formatTime(created_at),
        formatCount(completed),
        formatCount(failed),
        formatCount(total),
      ]);
      io.stdout.write(textTable(['batch', 'status', 'created', 'answered', 'failed', 'of'], rows));
    });
}
