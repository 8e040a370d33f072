import { describe, expect, it } from 'vitest';
import { divergence } from './divergence.js';

const logs = (...probabilities: number[]): Float32Array => Float32Array.from(probabilities, Math.log);

describe('divergence', () => {
  it('is the sum of p ln(p/q)', () => {
    const expected = 0.5 * Math.log(0.5 / 0.25) + 0.5 * Math.log(0.5 / 0.75);
    expect(divergence(logs(0.5, 0.5), logs(0.25, 0.75))).toBeCloseTo(expected, 6);
  });

  it('does not depend on what is added to all logits', () => {
    const [p, q] = [logs(0.2, 0.3, 0.5), logs(0.6, 0.3, 0.1)];
    const shifted = (logits: Float32Array, by: number): Float32Array => logits.map((logit) => logit + by);
    expect(divergence(shifted(p, 80), shifted(q, -90))).toBeCloseTo(divergence(p, q), 4);
  });

  it('is never below zero, and finite for logits far apart', () => {
    const logits = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 20);
    expect(divergence(logits, logits)).toBe(0);
    expect(divergence(Float32Array.of(500, -500), Float32Array.of(-500, 500))).toBeCloseTo(1000);
  });
});
