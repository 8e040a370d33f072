import type { HeadReduction } from '../heads.js';
import type { LayerRule } from '../hcc.js';
import { QUESTION_WINDOW } from '../layout.js';
import { centred, isRecord, OptionReader } from '../option.reader.js';
import type { Pooling } from '../pooling.js';
import { readPooling } from '../pooling.options.js';
import type { LayerProfile } from '../profile.js';

/** The options of MadaKV. `madakvDefaults` and `paperDefaults` say why each has the value it has. */
export interface MadaKvOptions {
  /** P, the queries whose attention makes psi: the last prompt token, the question, or that many last tokens. */
  readonly proxies: 'last' | 'question' | number;
  /** Most tokens that count as the question, as proxies and as rows that stay: its last ones. At least 1. */
  readonly questionWindow: number;
  /** Weight of the proxies other than the last prompt token, whose weight is 1. 0..1. */
  readonly otherWeight: number;
  /** How the query heads of a KV head are joined. */
  readonly groupReduction: 'sum' | 'max';
  /** How importance spreads to neighbours before it is ranked. */
  readonly pooling: Pooling;
  /** Whether the heads of a layer select for themselves or together. */
  readonly headReduction: HeadReduction;
  /** Allocation by modality, (6)-(8). false: all modalities are ranked together; floors still hold. */
  readonly mpa: boolean;
  /** Tokens whose psi makes w_m and k_m: all of X_m as printed, or only those that can be evicted. */
  readonly preferenceOf: 'all' | 'evictable';
  /** First prompt tokens left out of w_m and k_m when `preferenceOf` is `evictable`. */
  readonly sinks: number;
  /** Compensation between layers, (9)-(11). false: every layer keeps its target. */
  readonly hcc: boolean;
  readonly layerRule: LayerRule;
  /** Relative targets of the layers under the rule `profile`. */
  readonly profile: 'flat' | 'late' | LayerProfile;
  /** Share of the weight that the demand has to carry (9). Above 0, at most 1. */
  readonly theta: number;
  /** Most a layer may keep under the rules `demand` and `profile`, in targets. At least 1. */
  readonly beta: number;
  /** Share of the mean evictable rows that every layer keeps at least. 0..1. */
  readonly layerFloor: number;
  /** Evictable rows that every present modality keeps in every head and layer (or all it has). */
  readonly modalityFloor: number;
  /** Most of the mean grant that the question may take. 0..1. */
  readonly questionCap: number;
}

/**
 * The best by measurement on the bundled reader, which reads bytes: docs/adr/0004-defaults-of-madakv.md has the figures.
 *
 * - proxies: the last prompt token emits the first answer token and drowns in an equal sum; the rest of the question at 0.15 of
 *   its weight finds what the tokens after the first one need.
 * - pooling: max along the line: what lies up to 9 cells behind what is attended to is kept, or up to 5 before it; in text 32
 *   bytes and 8. The question looks at the beginning of a value, the answer is all of it.
 * - profile `late` and layerFloor 0.05: early layers look everywhere and need little, late layers copy.
 * - questionCap 0.1: the tail of the prompt, where the answer goes on; what of the question is needed, attention finds.
 * - headReduction `none`: `mean` was no better.
 * - theta 0.99 with beta 1: no layer exceeds its profile, because demand is high where rows matter least (early layers);
 *   a layer hands on only rows that carry under 1 % of its weight.
 * - preferenceOf `evictable` and sinks 4: the first tokens attract attention that says nothing about modalities (StreamingLLM).
 * - modalityFloor 1: a safety net against starvation, not measured.
 */
export const madakvDefaults: MadaKvOptions = {
  proxies: 'question',
  questionWindow: QUESTION_WINDOW,
  otherWeight: 0.15,
  groupReduction: 'sum',
  pooling: {
    kind: 'grid',
    reduction: 'max',
    rows: centred(1),
    cols: { before: 9, after: 5 },
    text: { before: 32, after: 8 },
  },
  headReduction: 'none',
  mpa: true,
  preferenceOf: 'evictable',
  sinks: 4,
  hcc: true,
  layerRule: 'profile',
  profile: 'late',
  theta: 0.99,
  beta: 1,
  layerFloor: 0.05,
  modalityFloor: 1,
  questionCap: 0.1,
};

/**
 * As printed: all question tokens alike, no pooling, w and k over all of X_m, rule `literal` from a flat start. theta is
 * open in the paper. 38.0 / 25.3 / 18.7 / 12.0 on the spike's pages.
 */
export const paperDefaults: MadaKvOptions = {
  ...madakvDefaults,
  proxies: 'question',
  otherWeight: 1,
  pooling: { kind: 'none' },
  preferenceOf: 'all',
  sinks: 0,
  layerRule: 'literal',
  profile: 'flat',
  theta: 0.9,
  beta: 2,
  layerFloor: 0.2,
  questionCap: 0.5,
};

/** @throws {PolicyOptionError} naming the first option that is unknown or out of range. */
export function readMadaKvOptions(policy: string, raw: unknown, defaults: MadaKvOptions): MadaKvOptions {
  const reader = new OptionReader(policy, raw);
  const share = { min: 0, max: 1 };
  const whole = { min: 0, integer: true };
  const lastTokens = { min: 1, max: 4096, integer: true };
  const options: MadaKvOptions = {
    proxies: reader.choiceOrNumber('proxies', defaults.proxies, ['last', 'question'], lastTokens),
    questionWindow: reader.number('questionWindow', defaults.questionWindow, lastTokens),
    otherWeight: reader.number('otherWeight', defaults.otherWeight, share),
    groupReduction: reader.choice('groupReduction', defaults.groupReduction, ['sum', 'max']),
    pooling: readPooling(reader, defaults.pooling),
    headReduction: reader.choice('headReduction', defaults.headReduction, ['none', 'mean', 'max']),
    mpa: reader.boolean('mpa', defaults.mpa),
    preferenceOf: reader.choice('preferenceOf', defaults.preferenceOf, ['all', 'evictable']),
    sinks: reader.number('sinks', defaults.sinks, whole),
    hcc: reader.boolean('hcc', defaults.hcc),
    layerRule: reader.choice('layerRule', defaults.layerRule, ['literal', 'demand', 'profile']),
    profile: readProfile(reader, defaults.profile),
    theta: reader.number('theta', defaults.theta, { above: 0, max: 1 }),
    beta: reader.number('beta', defaults.beta, { min: 1 }),
    layerFloor: reader.number('layerFloor', defaults.layerFloor, share),
    modalityFloor: reader.number('modalityFloor', defaults.modalityFloor, whole),
    questionCap: reader.number('questionCap', defaults.questionCap, share),
  };
  reader.done();
  return options;
}

function readProfile(reader: OptionReader, fallback: MadaKvOptions['profile']): MadaKvOptions['profile'] {
  const value = reader.read('profile');
  if (value === undefined) return fallback;
  if (value === 'flat' || value === 'late') return value;
  if (isRecord(value) && isWeights(value['layers'])) {
    const { layers, heads } = value;
    if (heads === undefined) return { layers };
    if (Array.isArray(heads) && heads.length === layers.length && heads.every(isWeights)) return { layers, heads };
  }
  return reader.fail(
    'profile',
    'flat, late, or {layers: weights above 0, heads?: for each layer, weights above 0 of its heads}',
    value,
  );
}

function isWeights(value: unknown): value is number[] {
  const isWeight = (weight: unknown): boolean => typeof weight === 'number' && weight > 0 && weight < Infinity;
  return Array.isArray(value) && value.length > 0 && value.every(isWeight);
}
