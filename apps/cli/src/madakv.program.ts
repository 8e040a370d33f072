import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { registerAsk } from './ask/ask.command.js';
import { registerBatch } from './batch/batch.command.js';
import { registerBench } from './bench.command.js';
import { registerCalibrate } from './calibrate/calibrate.command.js';
import type { CommandIo } from './command.io.js';
import { registerDemo } from './demo/demo.command.js';
import { oneLine } from './error.line.js';
import { registerEval } from './eval.command.js';
import { registerExtract } from './extract/extract.command.js';
import { registerFiles } from './files/files.command.js';
import { registerGenerate } from './generate/generate.command.js';
import { helpAsInvoked } from './invocation.js';
import { registerKey } from './key/key.command.js';
import { registerModels } from './models/models.command.js';
import { registerUp } from './system/up.command.js';
import { registerTrace } from './trace/trace.command.js';
import { registerUsage } from './usage/usage.command.js';
import { registerWebhooks } from './webhooks/webhooks.command.js';

/** The command line. Parsing throws a CommanderError where commander itself would end the process. */
export function madakvProgram(io: CommandIo): Command {
  const program = new Command('madakv')
    .description('Answers questions about long documents of text and images on little memory.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .option('--verbose', 'print the whole stack of an error')
    .helpOption('-h, --help', 'print this help')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => io.stdout.write(helpAsInvoked(text)),
      writeErr: (text) => io.stderr.write(helpAsInvoked(text)),
      outputError: (text, write) => {
        write(`madakv: ${oneLine(text.replace(/^error: /, ''))}\n`);
      },
    })
    .exitOverride()
    .addHelpText(
      'after',
      `
Exit codes: 0 done, 1 failed while running, 2 wrong command line or request, 130 interrupted.

Examples:
  madakv demo
  madakv up
  madakv ask invoice.pdf "What is the due date?" --local
  madakv batch run invoices/ --questions questions.csv -o answers.csv --local
  madakv extract invoices/ --schema invoice.schema.json -o invoices.csv --local
  madakv models inspect models/madakv-reader`,
    );
  registerDemo(program, io);
  registerUp(program, io);
  registerAsk(program, io);
  registerBatch(program, io);
  registerExtract(program, io);
  registerFiles(program, io);
  registerWebhooks(program, io);
  registerUsage(program, io);
  registerTrace(program, io);
  registerKey(program, io);
  registerGenerate(program, io);
  registerModels(program, io);
  registerCalibrate(program, io);
  registerBench(program, io);
  registerEval(program, io);
  return program;
}

function packageVersion(): string {
  const path = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
