import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  chooseVariants,
  DEFAULT_RATIOS,
  RunFolder,
  runQuestions,
  scorerNames,
  splits,
  suites,
  writeReport,
  type ScorerName,
  type Variant,
} from '@madakv/evaluation';
import type { CommandIo } from '../../command.io.js';
import { addEngineOptions } from '../../engine.flags.js';
import { wholeNumber } from '../../flag.values.js';
import { MODEL_FLAG, MODEL_TEXT } from '../../models/model.folder.js';
import { asUsageErrors } from '../evaluation.errors.js';
import { reportSummary } from '../report/report.summary.js';
import { listFlag, ratioList, variantFlag } from '../variant.flags.js';
import { RunProgress } from './run.progress.js';
import { outFolder, setUpRun, type RunFlags } from './run.setup.js';

interface Flags extends Omit<RunFlags, 'variants' | 'scorers' | 'command' | 'version'> {
  readonly policies: readonly string[];
  readonly variant?: readonly Variant[];
  readonly scorer?: Readonly<Record<string, ScorerName>>;
  readonly out?: string;
  readonly resume: boolean;
}

const DEFAULT_POLICIES = [
  'full',
  'madakv',
  'madakv-paper',
  'streaming-llm',
  'h2o',
  'snapkv',
  'pyramidkv',
  'look-m',
  'random',
];

export function registerEvalRun(group: Command, io: CommandIo): void {
  const command = group
    .command('run', { isDefault: true })
    .description('Answer questions under policies and ratios, and report on the answers.')
    .addOption(new Option('--suite <name>', 'kind of data').choices(Object.keys(suites)).makeOptionMandatory())
    .requiredOption(MODEL_FLAG, MODEL_TEXT)
    .requiredOption('--data <path>', 'folder of the suite’s data, or a file of it')
    .option('--policies <names>', 'policies; also: all, ablation', listFlag, DEFAULT_POLICIES)
    .option('--variant <text>', 'a policy with options: "name=policy key=value ..."; may be repeated', variantFlag)
    .option('--ratios <list>', 'shares of the cache to keep', ratioList, DEFAULT_RATIOS)
    .option('--sets <names>', 'sets of the data (default: all)', listFlag)
    .option('--scorer <set=name>', `how a set is judged: ${scorerNames.join(', ')}; may be repeated`, scorerFlag)
    .addOption(new Option('--split <half>', 'half of the documents, by a hash').choices(splits).default('all'))
    .option('--limit <number>', 'most questions of each set', wholeNumber(1))
    .option('--max-tokens <number>', 'most tokens of an answer (default: as the data says)', wholeNumber(1))
    .addOption(
      new Option('--protocol <name>', 'replay: the first token comes from the evicted cache; plain: from the full one')
        .choices(['replay', 'plain'])
        .default('replay'),
    )
    .addOption(
      new Option('--prefill <kind>', 'shared: policies share prefills, many times faster; separate: every answer alone')
        .choices(['shared', 'separate'])
        .default('shared'),
    )
    .option('--seed <number>', 'of intervals and random rows', wholeNumber(0), 0)
    .option('--no-profile', 'ignore the layer profile that `madakv calibrate` made')
    .option('--out <folder>', 'where results and report go (default: a new folder here)')
    .option('--no-resume', 'begin again where --out has a run already');
  addEngineOptions(command)
    .addHelpText(
      'after',
      `
Each answer is written to OUT/results.jsonl when it is known; the same command goes on where it was stopped. Answers are
greedy; sampling keys and stop texts of the data are ignored.

Examples:
  madakv eval --suite reader --model models/madakv-reader --data requests --out runs/reader --split report
  madakv eval --suite reader --model models/madakv-reader --data requests --policies full,ablation --ratios 0.05,0.1
  madakv eval --suite reader --model models/madakv-reader --data requests/fields.jsonl --policies full,madakv \\
    --variant "wide=madakv pooling.cols=21" --ratios 0.05 --limit 100 --split tune`,
    )
    .action((flags: Flags, self: Command) => asUsageErrors(() => evalRun(flags, self, io)));
}

async function evalRun(flags: Flags, command: Command, io: CommandIo): Promise<void> {
  const program = rootOf(command);
  const { model, answerer, questions, run } = await setUpRun(
    {
      ...flags,
      variants: chooseVariants(flags.policies, flags.variant ?? []),
      scorers: flags.scorer ?? {},
      command: ['madakv', ...program.args.map(quoted)].join(' '),
      version: program.version() ?? 'unknown',
    },
    io,
  );
  const { dir, name } = outFolder(flags.out, run, io.cwd);
  try {
    const folder = RunFolder.begin(dir, name, run, flags.resume);
    const { sets, variants } = run.settings;
    const cells = variants.reduce((sum, { ratios }) => sum + ratios.length, 0);
    io.stderr.write(
      `${questions.length} questions of ${Object.keys(sets).length} sets, ${cells} answers each, ` +
        `${folder.results.length} there already; results go to ${name}\n`,
    );
    const progress = new RunProgress(io.stderr, questions.length * cells, folder.results.length);
    const onAnswers = (answers: number, set: string): void => {
      progress.advance(answers, set);
    };
    try {
      await runQuestions({ model, answerer, questions, folder }, { signal: io.signal, onAnswers });
    } finally {
      progress.clear();
    }
  } finally {
    await answerer.close();
  }
  io.stdout.write(reportSummary(writeReport(RunFolder.open(dir, name)).report));
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}

function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replace(/'/g, `'\\''`)}'`;
}

function scorerFlag(text: string, before: Readonly<Record<string, ScorerName>> = {}): Record<string, ScorerName> {
  const split = text.lastIndexOf('=');
  const scorer = scorerNames.find((name) => name === text.slice(split + 1));
  if (split < 1 || scorer === undefined) {
    throw new InvalidArgumentError(`It must be written set=scorer, with one of ${scorerNames.join(', ')}.`);
  }
  return { ...before, [text.slice(0, split)]: scorer };
}
