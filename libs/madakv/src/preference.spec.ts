import { describe, expect, it } from 'vitest';
import { preferenceOf, shareOfTokens } from './preference.js';

describe('preferenceOf (6)', () => {
  const positions = [Int32Array.of(0, 3), Int32Array.of(1, 2), new Int32Array(0)];

  it('is the sum of psi over each modality, normalised', () => {
    expect([...preferenceOf(Float32Array.of(1, 2, 4, 1), positions)]).toEqual([0.25, 0.75, 0]);
  });

  it('is the share of tokens where nothing carries weight', () => {
    expect([...preferenceOf(new Float32Array(4), positions)]).toEqual([0.5, 0.5, 0]);
    expect([...shareOfTokens([Int32Array.of(0), Int32Array.of(1, 2, 3)])]).toEqual([0.25, 0.75]);
    expect([...shareOfTokens([new Int32Array(0)])]).toEqual([0]);
  });

  it('does not overflow', () => {
    const huge = new Float32Array(4).fill(3.4028234663852886e38);
    expect([...preferenceOf(huge, positions)]).toEqual([0.5, 0.5, 0]);
  });
});
