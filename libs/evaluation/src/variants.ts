import { createPolicy, policies } from '@madakv/madakv';
import { EvaluationError } from './evaluation.error.js';

/** A policy with its options, under a name of its own. */
export interface Variant {
  readonly name: string;
  readonly policy: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Shares of the cache that are measured by default. */
export const DEFAULT_RATIOS = [0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1];

/** What each part of the method is worth (`ablation`). */
export const ABLATION: readonly Variant[] = [
  { name: 'madakv', policy: 'madakv', options: {} },
  { name: 'madakv-no-hcc', policy: 'madakv-no-hcc', options: {} },
  { name: 'madakv-no-mpa', policy: 'madakv-no-mpa', options: {} },
  { name: 'madakv-neither', policy: 'madakv-neither', options: {} },
  { name: 'no-pooling', policy: 'madakv', options: { pooling: { kind: 'none' } } },
  { name: 'page-pooling-only', policy: 'madakv', options: { pooling: { text: 1 } } },
  { name: 'question-proxies', policy: 'madakv', options: { otherWeight: 1 } },
  { name: 'last-proxy', policy: 'madakv', options: { proxies: 'last' } },
  { name: 'question-kept', policy: 'madakv', options: { questionCap: 0.5 } },
  { name: 'flat-profile', policy: 'madakv', options: { profile: 'flat' } },
  { name: 'late-profile', policy: 'madakv', options: { profile: 'late' } },
];

/** What a variant of the ablation leaves out or changes, for tables. */
export const ABLATION_LABELS: Readonly<Record<string, string>> = {
  madakv: 'both (madakv)',
  'madakv-no-hcc': 'MPA only (no HCC, flat profile)',
  'madakv-no-mpa': 'HCC only (no MPA)',
  'madakv-neither': 'neither',
  'no-pooling': 'without pooling',
  'page-pooling-only': 'pooling on pages, not in text',
  'question-proxies': 'all question tokens as equal proxies',
  'last-proxy': 'the last token as the only proxy',
  'question-kept': 'up to half of the grant for the question',
  'flat-profile': 'flat layer profile',
  'late-profile': 'late layer profile, uncalibrated',
};

/**
 * Expands names of policies, `all` (every policy) and `ablation`, and adds variants.
 * @throws UnknownPolicyError, PolicyOptionError; EvaluationError for a name that stands for two things
 */
export function chooseVariants(names: readonly string[], extra: readonly Variant[]): Variant[] {
  const chosen = new Map<string, Variant>();
  const add = (variant: Variant): void => {
    const before = chosen.get(variant.name);
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(variant)) {
      throw new EvaluationError('variant_name_taken', `${variant.name}: there is another variant of that name`);
    }
    const part = ABLATION.find(({ name }) => name === variant.name && name !== variant.policy);
    if (part !== undefined && JSON.stringify(part) !== JSON.stringify(variant)) {
      throw new EvaluationError('variant_name_taken', `${variant.name}: a part of the ablation has that name`);
    }
    createPolicy(variant.policy, variant.options);
    chosen.set(variant.name, variant);
  };
  const plain = (policy: string): Variant => ({ name: policy, policy, options: {} });
  for (const name of names) {
    if (name === 'all') Object.keys(policies).map(plain).forEach(add);
    else if (name === 'ablation') ABLATION.forEach(add);
    else add(plain(name));
  }
  extra.forEach(add);
  return [...chosen.values()];
}

/** The ratios a variant runs at: a full cache has one only. */
export function ratiosOf({ policy }: Variant, ratios: readonly number[]): readonly number[] {
  return policy === 'full' ? [1] : ratios;
}
