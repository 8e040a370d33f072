import { describe, expect, it } from 'vitest';
import { compensationOf, meanDemand } from './compensation.js';

describe('compensation (10)', () => {
  it('is the mean over heads of demand over target', () => {
    expect(compensationOf(meanDemand([30, 10, 20]), 15)).toBe(5);
    expect(compensationOf(meanDemand([30, 10], [3, 1]), 25)).toBe(0);
  });
});
