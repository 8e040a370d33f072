import { describe, expect, it } from 'vitest';
import { reduceHeads } from './heads.js';

describe('reduceHeads', () => {
  const importance = Float32Array.of(1, 2, 3, 4, 0, 8);

  it('joins heads by mean and max, by calibrated weights where given', () => {
    const out = new Float32Array(3);
    reduceHeads(importance, 2, 'mean', out);
    expect([...out]).toEqual([2.5, 1, 5.5]);
    reduceHeads(importance, 2, 'max', out);
    expect([...out]).toEqual([4, 2, 8]);
    reduceHeads(importance, 2, 'mean', out, [1.5, 0.5]);
    expect([...out]).toEqual([1.75, 1.5, 4.25]);
  });
});
