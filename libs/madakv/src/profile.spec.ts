import { describe, expect, it } from 'vitest';
import { flatProfile, lateProfile, linearProfile, withMeanOne } from './profile.js';

const mean = (weights: number[]): number => weights.reduce((sum, weight) => sum + weight, 0) / weights.length;

describe('profiles', () => {
  it('late: the measured shape at six layers', () => {
    lateProfile(6).forEach((weight, layer) => {
      expect(weight).toBeCloseTo([0.3, 0.3, 0.9, 1.5, 1.5, 1.5][layer], 10);
    });
  });

  it.each([1, 2, 5, 6, 28, 32, 80])('late at %i layers: mean 1, never falling', (layers) => {
    const profile = lateProfile(layers);
    expect(profile).toHaveLength(layers);
    expect(mean(profile)).toBeCloseTo(1, 10);
    expect(profile.every((weight, i) => i === 0 || weight >= profile[i - 1])).toBe(true);
    if (layers > 6) expect(profile[layers - 1] / profile[0]).toBeCloseTo(5, 5);
  });

  it('linear: equal steps, mean 1, one layer too', () => {
    expect(linearProfile(3, 1.5, 0.5)).toEqual([1.5, 1, 0.5]);
    expect(linearProfile(1, 1.95, 0.05)).toEqual([1]);
  });

  it('flat, and any weights scaled', () => {
    expect(flatProfile(3)).toEqual([1, 1, 1]);
    expect(withMeanOne([1, 3])).toEqual([0.5, 1.5]);
  });
});
