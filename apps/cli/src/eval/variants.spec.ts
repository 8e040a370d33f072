import { describe, expect, it } from 'vitest';
import { policies } from '@madakv/madakv';
import { ABLATION, ABLATION_LABELS, chooseVariants, ratioList, ratiosOf, variantFlag } from './variants.js';

describe('chooseVariants', () => {
  const names = (...args: Parameters<typeof chooseVariants>): string[] =>
    chooseVariants(...args).map(({ name }) => name);

  it('expands all and ablation, each variant once', () => {
    expect(names(['all'], [])).toEqual(Object.keys(policies));
    expect(names(['full', 'madakv', 'ablation'], [])).toEqual(['full', ...ABLATION.map(({ name }) => name)]);
    expect(Object.keys(ABLATION_LABELS)).toEqual(ABLATION.map(({ name }) => name));
  });

  it('adds policies with options', () => {
    const extra = variantFlag('wide=madakv pooling.cols=21 theta=0.9');
    expect(chooseVariants(['full'], extra)[1]).toEqual({
      name: 'wide',
      policy: 'madakv',
      options: { pooling: { cols: 21 }, theta: 0.9 },
    });
  });

  it('refuses names that stand for two things, unknown policies and options', () => {
    expect(() => names(['madakv'], variantFlag('madakv=snapkv'))).toThrow(/another variant of that name/);
    expect(() => names(['best'], [])).toThrow(/unknown eviction policy "best"/);
    expect(() => names([], variantFlag('x=madakv pool=1'))).toThrow(/option pool/);
    expect(() => variantFlag('madakv')).toThrow(/name=policy/);
  });
});

describe('ratios', () => {
  it('are ascending and distinct, and one for the full cache', () => {
    expect(ratioList('0.4,0.1,0.4')).toEqual([0.1, 0.4]);
    expect(() => ratioList('0.1,2')).toThrow(/at most 1/);
    expect(() => ratioList('0.1,,2')).toThrow(/commas/);
    expect(ratiosOf({ name: 'f', policy: 'full', options: {} }, [0.1])).toEqual([1]);
  });
});
