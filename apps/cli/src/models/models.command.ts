import { InvalidArgumentError, type Command } from 'commander';
import { hubSettings, parseReference, referenceText } from '@madakv/hub';
import { openModel } from '@madakv/models';
import type { CommandIo } from '../command.io.js';
import { formatBytes, parseBytes, parseDuration } from '@madakv/insight';
import { modelFigures } from './model.figures.js';
import { MODEL_TEXT, modelFolder, pullShown } from './model.folder.js';
import { modelReport } from './model.report.js';
import { listModels, type ListFlags } from './models.list.js';
import { removeModels, type RemoveFlags } from './models.remove.js';

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
    .description('Pull models from the Hugging Face hub, look at checkpoints, and remove what is no longer used.')
    .addHelpText(
      'after',
      `
Examples:
  madakv models pull Qwen/Qwen2.5-VL-3B-Instruct
  madakv models list
  madakv models inspect models/madakv-reader`,
    );
  registerPull(models, io);
  registerList(models, io);
  registerRemove(models, io);
  registerInspect(models, io);
}

function registerPull(models: Command, io: CommandIo): void {
  models
    .command('pull')
    .description('Fetch models of the hub into the cache that the Python tools share, or bring them up to date.')
    .argument('<models...>', 'org/name, or org/name@revision with a branch, tag or commit')
    .option('--json', 'print one JSON object a model')
    .addHelpText(
      'after',
      `
Only what a checkpoint needs is fetched: configuration, tokenizer, templates, safetensors. A pull that broke is continued.
Whether the model is supported is known before its weights are fetched. HF_HOME, HF_HUB_CACHE, HF_TOKEN (or the token file),
HF_ENDPOINT and HF_HUB_OFFLINE mean what they mean to the Python tools.

Examples:
  madakv models pull Qwen/Qwen2.5-VL-3B-Instruct
  madakv models pull llava-hf/llava-1.5-7b-hf@main
  HF_HUB_CACHE=/srv/hub madakv models pull Qwen/Qwen2.5-VL-7B-Instruct`,
    )
    .action(async (names: string[], { json }: { readonly json?: true }) => {
      const references = names.map(parseReference);
      for (const reference of references) {
        const { dir, commit, fetchedBytes } = await pullShown(reference, hubSettings(), io);
        const line =
          json === true
            ? JSON.stringify({ ...reference, commit, dir, fetched_bytes: fetchedBytes })
            : `${referenceText(reference)}  ${formatBytes(fetchedBytes)} fetched, in ${dir}`;
        io.stdout.write(`${line}\n`);
      }
    });
}

function registerList(models: Command, io: CommandIo): void {
  models
    .command('list')
    .description('List the models that were pulled, and those that were built: size, family, revision, last use.')
    .option('--cache-dir <folder>', 'where built models are kept (default: $MADAKV_CACHE, else ~/.cache/madakv)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExamples:\n  madakv models list\n  madakv models list --json | jq .pulled[].repo')
    .action((flags: ListFlags) => {
      listModels(flags, io);
    });
}

function registerRemove(models: Command, io: CommandIo): void {
  models
    .command('rm')
    .description('Remove pulled models with what was built of them, or built ones alone. Checkpoint folders stay.')
    .argument('[models...]', 'org/name[@revision], a checkpoint folder whose built models go, or a key of `models list`')
    .option('--unused', 'built models whose checkpoint is gone or has changed, and builds that came to no end')
    .option('--older-than <time>', 'what was last used longer ago than that, like 12h, 7d or 2w', duration)
    .option('--dry-run', 'only say what would be removed')
    .option('--yes', 'do not ask before')
    .option('--cache-dir <folder>', 'where built models are kept (default: $MADAKV_CACHE, else ~/.cache/madakv)')
    .addHelpText(
      'after',
      `
It says what it would remove and asks; elsewhere than at a terminal --yes is needed. A worker that runs keeps what it has
opened, but could not open it again. Built models are built again when they are needed.

Examples:
  madakv models rm Qwen/Qwen2.5-VL-3B-Instruct
  madakv models rm Qwen/Qwen2.5-VL-3B-Instruct@v1 0123456789ab
  madakv models rm --unused --yes
  madakv models rm --older-than 30d --dry-run`,
    )
    .action((names: string[], flags: RemoveFlags) => removeModels(names, flags, io));
}

function registerInspect(models: Command, io: CommandIo): void {
  models
    .command('inspect')
    .description('What a checkpoint is, what it weighs, and how long a prompt fits in how much memory.')
    .argument('<model>', MODEL_TEXT)
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
    .action(async (name: string, flags: InspectFlags) => {
      const figures = modelFigures(openModel(await modelFolder(name, io)), flags.memory ?? DEFAULT_MEMORIES);
      io.stdout.write(flags.json === true ? `${JSON.stringify(figures)}\n` : modelReport(figures));
    });
}

function memory(text: string, before: readonly number[] = []): number[] {
  const bytes = parseBytes(text);
  if (bytes === undefined || bytes === 0) throw new InvalidArgumentError('It must be a size such as 8GiB or 500MB.');
  return [...before, bytes];
}

function duration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new InvalidArgumentError('It must be a time such as 12h, 7d or 2w.');
  return seconds;
}
