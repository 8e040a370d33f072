import { describe, expect, it } from 'vitest';
import { policies } from '@madakv/madakv';
import { EvaluationError } from './evaluation.error.js';
import { ABLATION, ABLATION_LABELS, chooseVariants, ratiosOf, type Variant } from './variants.js';

describe('chooseVariants', () => {
  const names = (...args: Parameters<typeof chooseVariants>): string[] =>
    chooseVariants(...args).map(({ name }) => name);

  it('expands all and ablation, each variant once', () => {
    expect(names(['all'], [])).toEqual(Object.keys(policies));
    expect(names(['full', 'madakv', 'ablation'], [])).toEqual(['full', ...ABLATION.map(({ name }) => name)]);
    expect(Object.keys(ABLATION_LABELS)).toEqual(ABLATION.map(({ name }) => name));
  });

  it('adds policies with options', () => {
    const wide = { name: 'wide', policy: 'madakv', options: { pooling: { cols: 21 }, theta: 0.9 } };
    expect(chooseVariants(['full'], [wide])[1]).toEqual(wide);
  });

  it('refuses names that stand for two things, unknown policies and options', () => {
    const named = (name: string, policy: string, options = {}): Variant[] => [{ name, policy, options }];
    expect(() => names(['madakv'], named('madakv', 'snapkv'))).toThrow(
      new EvaluationError('variant_name_taken', 'madakv: there is another variant of that name'),
    );
    expect(() => names(['madakv'], named('no-pooling', 'snapkv'))).toThrow(
      new EvaluationError('variant_name_taken', 'no-pooling: a part of the ablation has that name'),
    );
    expect(() => names(['best'], [])).toThrow(/unknown eviction policy "best"/);
    expect(() => names([], named('x', 'madakv', { pool: 1 }))).toThrow(/option pool/);
  });
});

describe('ratiosOf', () => {
  it('is one for the full cache', () => {
    expect(ratiosOf({ name: 'f', policy: 'full', options: {} }, [0.1])).toEqual([1]);
    expect(ratiosOf({ name: 'm', policy: 'madakv', options: {} }, [0.1])).toEqual([0.1]);
  });
});
