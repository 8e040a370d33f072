import { describe, expect, it } from 'vitest';
import { argmax, GREEDY, logprobs, Sampler, type SamplingOptions } from './sampler.js';

const NO_PROMPT = new Int32Array(0);
const sampler = (options: Partial<SamplingOptions>, prompt = NO_PROMPT): Sampler =>
  new Sampler({ ...GREEDY, ...options }, prompt);
const logits = (...values: number[]): Float32Array => Float32Array.from(values);

/** How often each id comes out of `draws` draws from the same logits. */
function frequencies(options: Partial<SamplingOptions>, values: number[], draws: number): number[] {
  const subject = sampler({ temperature: 1, ...options });
  const counts = values.map(() => 0);
  for (let i = 0; i < draws; i++) counts[subject.next(logits(...values))]++;
  return counts.map((count) => count / draws);
}

describe('Sampler', () => {
  it('takes the likeliest token at temperature 0, the lower id of equals', () => {
    expect(sampler({}).next(logits(1, 3, 3, 2))).toBe(1);
  });

  it('draws in proportion to probability', () => {
    const [a, b] = frequencies({}, [Math.log(3), 0], 20_000);
    expect(a).toBeCloseTo(0.75, 1);
    expect(b).toBeCloseTo(0.25, 1);
  });

  it('sharpens at low temperature', () => {
    const [a] = frequencies({ temperature: 0.5 }, [Math.log(3), 0], 20_000);
    expect(a).toBeCloseTo(0.9, 1);
  });

  it('keeps only the likeliest top_k', () => {
    const counts = frequencies({ topK: 2 }, [0, 1, 2, 1], 500);
    expect(counts[0]).toBe(0);
    expect(counts[3]).toBe(0);
    expect(counts[1]).toBeGreaterThan(0);
  });

  it('keeps the smallest set that reaches top_p', () => {
    const counts = frequencies({ topP: 0.6 }, [Math.log(0.5), Math.log(0.3), Math.log(0.2)], 500);
    expect(counts[2]).toBe(0);
    expect(counts[1]).toBeGreaterThan(0);
  });

  it('keeps one token when top_p is 0', () => {
    expect(frequencies({ topP: 0 }, [0, 1], 50)).toEqual([0, 1]);
  });

  it('repeats itself with the same seed and not with another', () => {
    const run = (seed: number): number[] => {
      const subject = sampler({ temperature: 1, seed });
      return Array.from({ length: 30 }, () => subject.next(logits(0, 0, 0, 0)));
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  it('subtracts presence once and frequency for each time', () => {
    const subject = sampler({ presencePenalty: 1, frequencyPenalty: 0.5 });
    expect(subject.next(logits(2, 0))).toBe(0);
    const second = logits(2, 0.4);
    expect(subject.next(second)).toBe(0);
    expect(second[0]).toBeCloseTo(0.5);
    expect(subject.next(logits(2, 0.1))).toBe(1);
  });

  it('penalises repetition of the prompt, whatever the sign of the logit', () => {
    const values = logits(2, -2, 1);
    sampler({ repetitionPenalty: 2 }, Int32Array.of(0, 1)).next(values);
    expect([...values]).toEqual([1, -4, 1]);
  });

  it.each([
    ['temperature', 2.5],
    ['topP', 1.5],
    ['topK', -1],
    ['presencePenalty', 3],
    ['repetitionPenalty', 0],
    ['temperature', Number.NaN],
  ] as const)('refuses %s = %d and says the range', (name, value) => {
    expect(() => sampler({ [name]: value })).toThrow(`${name} must be between`);
  });
});

describe('logprobs', () => {
  it('gives natural logarithms of probabilities, likeliest first', () => {
    const { chosen, top } = logprobs(logits(Math.log(0.1), Math.log(0.6), Math.log(0.3)), 2, 2);
    expect(chosen.logprob).toBeCloseTo(Math.log(0.3), 5);
    expect(top.map(({ id }) => id)).toEqual([1, 2]);
    expect(top[0].logprob).toBeCloseTo(Math.log(0.6), 5);
  });

  it('orders equals by id', () => {
    expect(logprobs(logits(0, 1, 1, 1), 0, 2).top.map(({ id }) => id)).toEqual([1, 2]);
  });
});

describe('argmax', () => {
  it('takes the first of equals', () => {
    expect(argmax(logits(1, 2, 2))).toBe(1);
  });
});
