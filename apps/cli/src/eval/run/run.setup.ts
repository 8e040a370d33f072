import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { checkpointInput, defaultCacheDir, type Engine, type Protocol } from '@madakv/engine';
import type { ScorerName, Split } from '@madakv/evaluation';
import { openModel, type OpenModel } from '@madakv/models';
import { profileFor } from '@madakv/requests';
import type { CommandIo } from '../../command.io.js';
import { loadEngine, type EngineFlags } from '../../engine.flags.js';
import { UsageError } from '../../exit.codes.js';
import { Answerer } from '../answer/answerer.js';
import type { Question, SuiteData } from '../question.js';
import { suites } from '../suites/suites.js';
import { ratiosOf, type Variant } from '../variants.js';
import { FORMAT, type RunRecord, type RunSettings } from './run.record.js';
import { workOrder } from './work.order.js';

/** Answers of one prompt that share a prefill and decode together. */
const MOST_TOGETHER = 64;

/** What the command line says about a run. */
export interface RunFlags extends EngineFlags {
  readonly suite: string;
  readonly model: string;
  readonly data: string;
  readonly variants: readonly Variant[];
  readonly ratios: readonly number[];
  readonly sets?: readonly string[];
  readonly scorers: Readonly<Record<string, ScorerName>>;
  readonly split: Split;
  readonly limit?: number;
  readonly maxTokens?: number;
  readonly protocol: Protocol;
  readonly prefill: RunSettings['prefill'];
  readonly seed: number;
  /** Use the calibrated profile when there is one. */
  readonly profile: boolean;
  /** The command line, for the report. */
  readonly command: string;
  readonly version: string;
}

/** A run that is ready to begin. The answerer is to be closed. */
export interface RunSetup {
  readonly model: OpenModel;
  readonly answerer: Answerer;
  readonly questions: readonly Question[];
  readonly run: RunRecord;
}

/** Reads questions, opens the model and says what will be measured. */
export async function setUpRun(flags: RunFlags, io: CommandIo): Promise<RunSetup> {
  const data = await suites[flags.suite].load(flags.data, io.cwd);
  const questions = workOrder(data.questions, flags);
  const sets = setsOf(questions, data, flags);
  const model = openModel(flags.model);
  const engine = await openEngine(model, flags, io);
  const { builtDir } = engine;
  const answerer = new Answerer(engine);
  try {
    return {
      model,
      answerer,
      questions,
      run: {
        settings: {
          format: FORMAT,
          suite: flags.suite,
          model: await checkpointInput(model).fingerprint(
            join(flags.cacheDir ?? defaultCacheDir(), 'models', 'files.json'),
          ),
          data: [...data.files],
          sets,
          split: flags.split,
          limit: flags.limit ?? null,
          maxTokens: flags.maxTokens ?? null,
          protocol: flags.protocol,
          prefill: flags.prefill,
          seed: flags.seed,
          quant: flags.quant,
          blockSize: flags.blockSize,
          kvCache: flags.kvCache,
          provider: flags.provider,
          variants: flags.variants.map(({ name, policy, options }) => {
            const settings = { policy, policyOptions: options };
            const profile = flags.profile ? profileFor({ builtDir, model }, settings) : undefined;
            return {
              name,
              policy,
              options: { ...(profile?.policyOptions ?? options) },
              ratios: [...ratiosOf({ name, policy, options }, flags.ratios)],
            };
          }),
        },
        about: {
          modelDir: flags.model,
          dataPath: flags.data,
          command: flags.command,
          startedAt: new Date().toISOString(),
          versions: { madakv: flags.version, node: process.versions.node },
          processor: `${cpus().at(0)?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
          layers: model.config.decoder.layers,
          heads: model.config.decoder.kvHeads,
        },
      },
    };
  } catch (error) {
    await answerer.close();
    throw error;
  }
}

/** Folder of a run: `--out`, else one beside the caller named after suite and time. */
export function outFolder(
  out: string | undefined,
  { about, settings }: RunRecord,
  cwd: string,
): { dir: string; name: string } {
  const stamp = about.startedAt.slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const name = out ?? `eval-${settings.suite}-${stamp}`;
  return { dir: resolve(cwd, name), name };
}

function setsOf(questions: readonly Question[], data: SuiteData, flags: RunFlags): RunSettings['sets'] {
  const sets: RunSettings['sets'] = {};
  for (const { set } of questions) {
    const before = sets[set] as RunSettings['sets'][string] | undefined;
    sets[set] = { questions: (before?.questions ?? 0) + 1, scorer: flags.scorers[set] ?? data.scorers[set] };
  }
  for (const set of Object.keys(flags.scorers)) {
    if (!Object.hasOwn(sets, set)) throw new UsageError(`--scorer ${set}: there is no such set in this run`);
  }
  return sets;
}

async function openEngine(model: OpenModel, flags: RunFlags, io: CommandIo): Promise<Engine> {
  const together = flags.prefill === 'shared' ? MOST_TOGETHER : 1;
  return loadEngine(model, flags, io, { maxSequences: together, maxGroup: together });
}
