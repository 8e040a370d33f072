import { UnknownPolicyError } from '../errors.js';
import type { EvictionPolicy } from '../policy.js';
import { createFull } from './full.policy.js';
import { createH2o } from './h2o.policy.js';
import { createLookM } from './look-m.policy.js';
import { madakvDefaults, paperDefaults } from './madakv.options.js';
import { createMadaKv } from './madakv.policy.js';
import { createPyramidKv } from './pyramidkv.policy.js';
import { createRandom } from './random.policy.js';
import { createSnapKv } from './snapkv.policy.js';
import { createStreamingLlm } from './streaming-llm.policy.js';

/** A row of the table of policies. */
export interface PolicyEntry {
  readonly description: string;
  readonly source: string;
  /** Whether every present modality keeps at least one evictable row in every head and layer, with default options. */
  readonly keepsEveryModality: boolean;
  /** @throws {PolicyOptionError} for an unknown option or a value out of range. */
  create(options?: unknown): EvictionPolicy;
}

const paper = 'ACL 2025, arXiv 2506.15724';

/** MadaKV without the layer budgets: all layers alike, no compensation. */
const flatDefaults = { ...madakvDefaults, hcc: false, profile: 'flat' } as const;

/** Every policy by name. A new one is a file and a row here; the conformance suite runs over the table. */
export const policies: Readonly<Record<string, PolicyEntry>> = {
  madakv: {
    description: 'last prompt token, pooling along the page, layers by profile, split by modality',
    source: paper,
    keepsEveryModality: true,
    create: (options) => createMadaKv(options),
  },
  'madakv-paper': {
    description: 'as printed: all question tokens, no pooling, literal compensation',
    source: paper,
    keepsEveryModality: true,
    create: (options) => createMadaKv(options, 'madakv-paper', paperDefaults),
  },
  'madakv-no-mpa': {
    description: 'ablation: madakv with all modalities ranked together',
    source: paper,
    keepsEveryModality: true,
    create: (options) => createMadaKv(options, 'madakv-no-mpa', { ...madakvDefaults, mpa: false }),
  },
  'madakv-no-hcc': {
    description: 'ablation: madakv with all layers alike and no compensation',
    source: paper,
    keepsEveryModality: true,
    create: (options) => createMadaKv(options, 'madakv-no-hcc', flatDefaults),
  },
  'madakv-neither': {
    description: 'ablation: madakv without split by modality and without layer budgets',
    source: paper,
    keepsEveryModality: true,
    create: (options) => createMadaKv(options, 'madakv-neither', { ...flatDefaults, mpa: false }),
  },
  full: { description: 'every row is kept', source: 'the yardstick', keepsEveryModality: true, create: createFull },
  'streaming-llm': {
    description: 'first and most recent tokens',
    source: 'ICLR 2024, arXiv 2309.17453',
    keepsEveryModality: false,
    create: createStreamingLlm,
  },
  h2o: {
    description: 'half heavy hitters over all queries, half recent',
    source: 'NeurIPS 2023, arXiv 2306.14048',
    keepsEveryModality: false,
    create: createH2o,
  },
  snapkv: {
    description: 'attention of the question, average pooling',
    source: 'NeurIPS 2024, arXiv 2404.14469',
    keepsEveryModality: false,
    create: createSnapKv,
  },
  pyramidkv: {
    description: 'snapkv with layer budgets falling from first to last',
    source: 'arXiv 2406.02069',
    keepsEveryModality: false,
    create: createPyramidKv,
  },
  'look-m': {
    description: 'text first, evicted visual rows merged into kept ones',
    source: 'Findings of EMNLP 2024, arXiv 2406.18139',
    keepsEveryModality: false,
    create: createLookM,
  },
  random: {
    description: 'random rows, the question kept',
    source: 'the floor',
    keepsEveryModality: false,
    create: createRandom,
  },
};

/**
 * @param options of that policy, each with a default; from code, JSON or a command line.
 * @throws {UnknownPolicyError} listing the names there are.
 * @throws {PolicyOptionError} naming the option and what was expected.
 */
export function createPolicy(name: string, options?: unknown): EvictionPolicy {
  if (!Object.hasOwn(policies, name)) throw new UnknownPolicyError(name, Object.keys(policies));
  return policies[name].create(options);
}
