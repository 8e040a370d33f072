import { describe, expect, it } from 'vitest';
import { layoutOf } from '../layout.js';
import type { LayerSelection } from '../policy.js';
import { createPolicy } from './registry.js';

/** text 0..9, page 10..49, question 50..53, the last of which is held back. */
const prompt = layoutOf(
  [
    { modality: 'text', tokens: 10 },
    { modality: 'visual', rows: 4, cols: 10 },
    { modality: 'text', tokens: 4, question: true },
  ],
  1,
);

function select(
  name: string,
  options: object,
  psi: Record<number, number>,
  tokensPerHead: number,
  layers = 1,
): LayerSelection[] {
  const importance = new Float32Array(prompt.tokens);
  for (const [position, value] of Object.entries(psi)) importance[Number(position)] = value;
  const selector = createPolicy(name, options).start(prompt, { layers, heads: 1 }, { tokensPerHead });
  return Array.from({ length: layers }, (_, layer) => selector.select(layer, importance));
}

const kept = (...args: Parameters<typeof select>): number[] => [...select(...args)[0].kept];
const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);

describe('streaming-llm', () => {
  it('keeps four sinks and the most recent', () => {
    expect(kept('streaming-llm', {}, {}, 13)).toEqual([0, 1, 2, 3, ...range(45, 53)]);
    expect(kept('streaming-llm', { sinks: 1 }, {}, 13)).toEqual([0, ...range(42, 53)]);
  });
});

describe('h2o', () => {
  const psi = { 3: 5, 20: 7, 30: 6, 52: 9 };

  it('keeps half recent, half heavy hitters', () => {
    expect(createPolicy('h2o').observe(prompt)).toEqual({ kind: 'all' });
    expect(kept('h2o', {}, psi, 7)).toEqual([3, 20, 30, 50, 51, 52]);
    expect(kept('h2o', { recentShare: 1 }, psi, 7)).toEqual(range(47, 53));
  });
});

describe('snapkv', () => {
  it('observes a number of last tokens, or the question', () => {
    const positions = (options: object) => createPolicy('snapkv', options).observe(prompt);
    expect(positions({})).toMatchObject({ positions: Int32Array.from(range(22, 54)) });
    expect(positions({ window: 'question' })).toMatchObject({
      positions: Int32Array.of(50, 51, 52, 53),
      weights: new Float32Array(4).fill(1),
    });
    expect(positions({ window: 6 })).toMatchObject({ positions: Int32Array.from(range(48, 54)) });
  });

  it('keeps the window, and what pooling over 5 finds', () => {
    expect(kept('snapkv', { window: 4 }, { 20: 1, 51: 100 }, 9)).toEqual([...range(18, 23), ...range(50, 53)]);
    expect(kept('snapkv', { window: 6 }, { 20: 1 }, 11)).toEqual([...range(18, 23), ...range(48, 53)]);
  });

  it('prefers a plateau to a spike by average, not by maximum', () => {
    const psi = { 20: 3, 30: 1, 31: 1, 32: 1, 33: 1, 34: 1 };
    expect(kept('snapkv', { window: 4 }, psi, 7)).toEqual([31, 32, 33, 50, 51, 52]);
    const pooling = { kind: 'tokens', reduction: 'max' };
    expect(kept('snapkv', { window: 4, pooling }, psi, 7)).toEqual([18, 19, 20, 50, 51, 52]);
  });
});

describe('pyramidkv', () => {
  it('falls in equal steps on top of the window, from nearly twice the mean to nearly nothing', () => {
    const rows = select('pyramidkv', { beta: 20, window: 4 }, { 20: 1 }, 24, 3).map((layer) => layer.rows);
    expect(rows).toEqual([42, 23, 4]);
  });
});

describe('look-m', () => {
  const psi = { 12: 5, 13: 4, 2: 0.5 };

  it('keeps text before everything else', () => {
    expect(kept('look-m', { recentShare: 0 }, psi, 15)).toEqual([...range(0, 10), 12, ...range(50, 53)]);
    expect(kept('look-m', { recentShare: 0 }, psi, 6)).toEqual([0, 1, 2, 51, 52]);
  });

  it('carries what the merge needs: other modalities are folded in, text is dropped', () => {
    const [{ merge }] = select('look-m', {}, psi, 15);
    expect(merge?.method).toBe('pivotal');
    expect([...(merge?.mergeable ?? [])]).toEqual(range(0, 53).map((at) => (at >= 10 && at < 50 ? 1 : 0)));
    expect(select('look-m', { merge: 'none' }, psi, 15)[0].merge).toBeUndefined();
  });
});

describe('random', () => {
  it('is the same for the same seed, another for another, and for another layer', () => {
    const [first, second] = select('random', { seed: 1 }, {}, 20, 2);
    expect(select('random', { seed: 1 }, {}, 20, 2)).toEqual([first, second]);
    expect(second.kept).not.toEqual(first.kept);
    expect(select('random', { seed: 2 }, {}, 20)[0].kept).not.toEqual(first.kept);
  });

  it('has no favourites', () => {
    const counts = new Int32Array(50);
    for (let seed = 0; seed < 400; seed++) {
      for (const position of kept('random', { seed }, {}, 29)) if (position < 50) counts[position]++;
    }
    // 25 of 50 rows in 400 draws: 200 on average, standard deviation 10.
    expect(Math.min(...counts)).toBeGreaterThan(150);
    expect(Math.max(...counts)).toBeLessThan(250);
  });
});

describe('full', () => {
  it('needs a grant of the whole prompt', () => {
    expect(createPolicy('full').minimumTokensPerHead(prompt)).toBe(54);
    expect(kept('full', {}, {}, 54)).toEqual(range(0, 53));
  });
});
