import { describe, expect, it } from 'vitest';
import { clusterBootstrap, quantile, type Cluster } from './cluster.bootstrap.js';
import { seededRandom } from './random.js';

const single = (scores: readonly number[], stratum = 'a'): Cluster => ({ stratum, scores, questions: 1 });

describe('clusterBootstrap', () => {
  it('averages strata, not questions', () => {
    const clusters = [single([1]), single([1]), single([1]), single([0], 'b')];
    expect(clusterBootstrap(clusters, 1, { seed: 1 })[0].mean).toMatchObject({ value: 0.5 });
  });

  it('is the same for the same seed and another for another', () => {
    const random = seededRandom(3);
    const clusters = Array.from({ length: 60 }, () => single([random() < 0.7 ? 1 : 0, random()]));
    const of = (seed: number) => clusterBootstrap(clusters, 2, { seed, baseline: 0, rounds: 300 });
    expect(of(5)).toEqual(of(5));
    expect(of(5)[1].mean.low).not.toBe(of(6)[1].mean.low);
  });

  it('covers the true share in about 95 of 100 samples', () => {
    const random = seededRandom(11);
    let covered = 0;
    for (let sample = 0; sample < 300; sample++) {
      const clusters = Array.from({ length: 80 }, () => single([random() < 0.7 ? 1 : 0]));
      const { low, high } = clusterBootstrap(clusters, 1, { seed: sample, rounds: 300 })[0].mean;
      if (low <= 0.7 && 0.7 <= high) covered++;
    }
    expect(covered / 300).toBeGreaterThan(0.9);
    expect(covered / 300).toBeLessThan(0.985);
  });

  it('covers where questions of a document stand and fall together, and is wider than if they did not', () => {
    const random = seededRandom(17);
    let covered = 0;
    for (let sample = 0; sample < 200; sample++) {
      const clusters: Cluster[] = Array.from({ length: 40 }, () => ({
        stratum: 'a',
        scores: [random() < 0.5 ? 8 : 0],
        questions: 8,
      }));
      const { low, high } = clusterBootstrap(clusters, 1, { seed: sample, rounds: 300 })[0].mean;
      if (low <= 0.5 && 0.5 <= high) covered++;
      expect(high - low).toBeGreaterThan(0.2);
    }
    expect(covered / 200).toBeGreaterThan(0.88);
  });

  it('finds a small difference that single intervals hide, because it is paired', () => {
    const random = seededRandom(23);
    const clusters = Array.from({ length: 400 }, (_, i) => {
      const hard = random() < 0.5;
      return single([hard ? 0 : 1, hard || i % 12 === 0 ? 0 : 1]);
    });
    const [full, evicted] = clusterBootstrap(clusters, 2, { seed: 2, baseline: 0 });
    expect(full.difference).toEqual({ value: 0, low: 0, high: 0 });
    expect(evicted.mean.high).toBeGreaterThan(full.mean.low);
    expect(evicted.difference?.high).toBeLessThan(0);
  });

  it('needs something to resample', () => {
    expect(() => clusterBootstrap([], 1, { seed: 1 })).toThrow(RangeError);
  });
});

describe('quantile', () => {
  it.each([
    [0, 1],
    [0.5, 2.5],
    [1, 4],
    [1 / 6, 1.5],
  ])('at %f', (share, expected) => {
    expect(quantile([1, 2, 3, 4], share)).toBeCloseTo(expected);
  });
});

describe('seededRandom', () => {
  it('fills [0, 1) evenly', () => {
    const random = seededRandom(0);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[Math.floor(random() * 10)]++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });
});
