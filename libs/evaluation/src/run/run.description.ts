import { cpus } from 'node:os';
import type { Engine, Protocol } from '@madakv/engine';
import { profileFor } from '@madakv/requests';
import { EvaluationError } from '../evaluation.error.js';
import type { Question, SuiteData } from '../question.js';
import type { ScorerName } from '../scoring/scorers.js';
import type { Split } from '../split.js';
import { ratiosOf, type Variant } from '../variants.js';
import { FORMAT, type RunRecord, type RunSettings } from './run.record.js';

/** What the caller chose to measure, and how. */
export interface RunChoice {
  readonly suite: string;
  readonly variants: readonly Variant[];
  readonly ratios: readonly number[];
  readonly split: Split;
  /** Most questions of each set. */
  readonly limit?: number;
  /** Most tokens of an answer; as the data say where left out. */
  readonly maxTokens?: number;
  readonly protocol: Protocol;
  readonly prefill: RunSettings['prefill'];
  readonly seed: number;
  /** Use the calibrated profile when there is one. */
  readonly profile: boolean;
  /** Of the weights, as the caller names it. */
  readonly quant: string;
  readonly blockSize: string;
  readonly provider: string;
}

/** What a run's report says of where it came from. */
export interface RunOrigin {
  readonly modelDir: string;
  readonly dataPath: string;
  /** The command line. */
  readonly command: string;
  /** Version of this program. */
  readonly version: string;
}

/** What is measured on. */
export interface RunMaterial {
  readonly files: SuiteData['files'];
  readonly sets: RunSettings['sets'];
  readonly engine: Pick<Engine, 'builtDir' | 'model' | 'kvGeometry'>;
  /** Of the checkpoint's configuration and weights. */
  readonly fingerprint: string;
}

/**
 * The sets that take part, with how many questions and how they are judged.
 * @param chosen scorers in place of those of the data
 * @throws EvaluationError for a scorer of a set that does not take part
 */
export function scoredSets(
  questions: readonly Question[],
  { scorers }: Pick<SuiteData, 'scorers'>,
  chosen: Readonly<Record<string, ScorerName>>,
): RunSettings['sets'] {
  const sets: RunSettings['sets'] = {};
  for (const { set } of questions) {
    const before = sets[set] as RunSettings['sets'][string] | undefined;
    sets[set] = { questions: (before?.questions ?? 0) + 1, scorer: chosen[set] ?? scorers[set] };
  }
  for (const set of Object.keys(chosen)) {
    if (!Object.hasOwn(sets, set)) {
      throw new EvaluationError('unknown_scored_set', `${set}: there is no such set in this run`);
    }
  }
  return sets;
}

/** The record of a run that begins now. */
export function describeRun(
  choice: RunChoice,
  { modelDir, dataPath, command, version }: RunOrigin,
  { files, sets, engine, fingerprint }: RunMaterial,
): RunRecord {
  const { suite, split, limit, maxTokens, protocol, prefill, seed, quant, blockSize, provider } = choice;
  const { layers, kvHeads: heads } = engine.model.config.decoder;
  return {
    settings: {
      format: FORMAT,
      suite,
      model: fingerprint,
      data: [...files],
      sets,
      split,
      limit: limit ?? null,
      maxTokens: maxTokens ?? null,
      protocol,
      prefill,
      seed,
      quant,
      blockSize,
      kvCache: engine.kvGeometry.precision,
      provider,
      variants: choice.variants.map((variant) => measuredVariant(variant, choice, engine)),
    },
    about: {
      modelDir,
      dataPath,
      command,
      startedAt: new Date().toISOString(),
      versions: { madakv: version, node: process.versions.node },
      processor: `${cpus().at(0)?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
      layers,
      heads,
    },
  };
}

/** Its options with the calibrated profile where that applies, and the ratios it runs at. */
function measuredVariant(
  { name, policy, options }: Variant,
  { profile: useProfile, ratios }: RunChoice,
  engine: RunMaterial['engine'],
): RunSettings['variants'][number] {
  const profile = useProfile ? profileFor(engine, { policy, policyOptions: options }) : undefined;
  return {
    name,
    policy,
    options: { ...(profile?.policyOptions ?? options) },
    ratios: [...ratiosOf({ name, policy, options }, ratios)],
  };
}
