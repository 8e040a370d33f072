import { describe, expect, it } from 'vitest';
import { ratioList, variantFlag } from './variant.flags.js';

describe('variantFlag', () => {
  it('reads a policy with options, after those before', () => {
    const before = variantFlag('plain=snapkv');
    expect(variantFlag('wide=madakv pooling.cols=21 theta=0.9', before)).toEqual([
      { name: 'plain', policy: 'snapkv', options: {} },
      { name: 'wide', policy: 'madakv', options: { pooling: { cols: 21 }, theta: 0.9 } },
    ]);
    expect(() => variantFlag('madakv')).toThrow(/name=policy/);
  });
});

describe('ratioList', () => {
  it('is ascending and distinct', () => {
    expect(ratioList('0.4,0.1,0.4')).toEqual([0.1, 0.4]);
    expect(() => ratioList('0.1,2')).toThrow(/at most 1/);
    expect(() => ratioList('0.1,,2')).toThrow(/commas/);
  });
});
