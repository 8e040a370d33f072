import { describe, expect, it } from 'vitest';
import { PolicyOptionError } from '../errors.js';
import { layoutOf } from '../layout.js';
import type { LayerSelection } from '../policy.js';
import { lateProfile } from '../profile.js';
import { madakvDefaults } from './madakv.options.js';
import { createPolicy } from './registry.js';

const text = { modality: 'text', tokens: 20 };
const page = { modality: 'visual', rows: 4, cols: 20 };
const question = { modality: 'text', tokens: 5, question: true };
/** text 0..19, page 20..99, question 100..104 of which 104 is held back. */
const prompt = layoutOf([text, page, question], 1);

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

/** Rules that small numbers show best, whatever the defaults are. */
const plain = { proxies: 'last', pooling: { cols: 13, text: 1 }, questionCap: 0.5, layerFloor: 0.2 };

const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);

describe('observe', () => {
  const observe = (name: string, options?: object) => createPolicy(name, options).observe(prompt);

  it('proxies last: the last prompt token, though it is held back', () => {
    const expected = {
      kind: 'queries',
      positions: Int32Array.of(104),
      weights: Float32Array.of(1),
      groupReduction: 'sum',
    };
    expect(observe('madakv', { proxies: 'last' })).toEqual(expected);
  });

  it('madakv: the question, the last prompt token most', () => {
    const { otherWeight } = madakvDefaults;
    expect(observe('madakv')).toMatchObject({
      positions: Int32Array.from(range(100, 105)),
      weights: Float32Array.of(otherWeight, otherWeight, otherWeight, otherWeight, 1),
    });
  });

  it('madakv-paper: every question token alike', () => {
    expect(observe('madakv-paper')).toMatchObject({
      positions: Int32Array.from(range(100, 105)),
      weights: new Float32Array(5).fill(1),
    });
  });

  it('a number of last tokens, with a weight of their own', () => {
    expect(observe('madakv', { proxies: 3, otherWeight: 0.125, groupReduction: 'max' })).toEqual({
      kind: 'queries',
      positions: Int32Array.of(102, 103, 104),
      weights: Float32Array.of(0.125, 0.125, 1),
      groupReduction: 'max',
    });
  });
});

describe('madakv', () => {
  it('keeps the question, and around the peak its neighbours along the line', () => {
    // Four question rows, one of text as its floor, and 9 of the 13 equal cells 44..56: the peak, then from the left.
    const [{ kept, keptByModality }] = select('madakv', plain, { 50: 1 }, 15);
    expect([...kept]).toEqual([0, ...range(44, 53), ...range(100, 104)]);
    expect([...keptByModality]).toEqual([5, 9]);
  });

  it('reaches further ahead of the peak than back, on a page and in text', () => {
    const shape = {
      ...plain,
      pooling: { cols: { before: 9, after: 5 }, text: { before: 6, after: 2 } },
      modalityFloor: 0,
    };
    const [onPage] = select('madakv', shape, { 50: 1 }, 1 + 4 + 15);
    expect([...onPage.kept]).toEqual([...range(45, 60), ...range(100, 104)]);
    const [inText] = select('madakv', shape, { 10: 1 }, 1 + 4 + 9);
    expect([...inText.kept]).toEqual([...range(8, 17), ...range(100, 104)]);
  });

  it('keeps the peak itself when its window does not fit', () => {
    const [{ kept }] = select('madakv', {}, { 50: 1 }, 8);
    expect([...kept]).toContain(50);
  });

  it('does not pool into the line below', () => {
    const [{ kept }] = select('madakv', { ...plain, modalityFloor: 0 }, { 59: 1 }, 12);
    expect([...kept].filter((at) => at >= 20 && at < 100)).toEqual(range(53, 60));
  });

  it('splits evictable rows by preference, without the first tokens and the question', () => {
    const psi = { 0: 90, 10: 1, 50: 3, 102: 50 };
    const [{ keptByModality, preference }] = select('madakv', plain, psi, 25);
    expect([...preference]).toEqual([0.25, 0.75]);
    expect([...keptByModality]).toEqual([4 + 5, 15]);
    const [all] = select('madakv', { ...plain, preferenceOf: 'all' }, psi, 25);
    expect(all.preference[0]).toBeCloseTo(141 / 144, 6);
    expect([...all.keptByModality]).toEqual([23, 1]);
  });

  it('gives late layers more, by the profile of the evictable rows', () => {
    const targets = select('madakv', { ...plain, hcc: false }, { 50: 1 }, 25, 6).map(({ target }) => target);
    lateProfile(6).forEach((weight, layer) => {
      expect(Math.abs(targets[layer] - (4 + 20 * weight))).toBeLessThan(0.5);
    });
  });

  it('hands on what a layer does not need', () => {
    const layers = select('madakv', { ...plain, profile: 'flat', layerFloor: 0 }, { 50: 1 }, 25, 3);
    // Demand: the question and the 13 cells of the window.
    expect(layers.map(({ demand }) => demand)).toEqual([17, 17, 17]);
    expect(layers.map(({ rows }) => rows)).toEqual([17, 17, 38]);
    expect(layers.map(({ compensation }) => compensation)).toEqual([-7, -10.5, 0]);
  });

  it('takes a calibrated profile and rejects one of another model', () => {
    const rows = select('madakv', { ...plain, hcc: false, profile: { layers: [3, 1] } }, { 50: 1 }, 25, 2).map(
      (layer) => layer.rows,
    );
    expect(rows).toEqual([34, 14]);
    const wrong = () => select('madakv', { profile: { layers: [1, 1, 1] } }, {}, 25, 2);
    expect(wrong).toThrow(PolicyOptionError);
    expect(wrong).toThrow('profile.layers must be 2 weights, one a layer, got 3');
    const heads = () => select('madakv', { profile: { layers: [1], heads: [[1, 1]] } }, {}, 25);
    expect(heads).toThrow('profile.heads must be 1 weights a layer, one a KV head');
  });

  it('shares one selection among the heads where they are reduced', () => {
    const importance = new Float32Array(2 * prompt.tokens);
    importance[25] = 1;
    importance[prompt.tokens + 75] = 3;
    const policy = createPolicy('madakv', { headReduction: 'mean', pooling: { kind: 'none' } });
    const { kept, rows, keptByModality } = policy
      .start(prompt, { layers: 1, heads: 2 }, { tokensPerHead: 8 })
      .select(0, importance);
    expect(kept.subarray(rows)).toEqual(kept.subarray(0, rows));
    expect([...kept]).toEqual(expect.arrayContaining([25, 75]));
    expect(keptByModality.subarray(2)).toEqual(keptByModality.subarray(0, 2));
  });
});

describe('madakv-paper', () => {
  it('ranks by psi alone and compensates as printed', () => {
    const psi = Object.fromEntries(range(20, 60).map((at) => [at, 1]));
    const layers = select('madakv-paper', {}, psi, 25, 3);
    // (9): 36 of 40 equal tokens carry 90 %. (10): K = 36 - 24. (11): phi = 24 - 12 / 2, then 18 - 18 / 1 -> the floor.
    expect(layers.map(({ demand }) => demand)).toEqual([36, 36, 36]);
    expect(layers.map(({ target }) => target)).toEqual([24, 18, 30]);
    expect(layers.map(({ compensation }) => compensation)).toEqual([12, 18, 6]);
    expect([...layers[0].kept]).toEqual([0, ...range(20, 39), ...range(100, 104)]);
  });
});

describe('ablations', () => {
  const psi = { ...Object.fromEntries(range(4, 20).map((at) => [at, 0.5])), 50: 9 };

  it('without MPA modalities are ranked together', () => {
    const none = { ...plain, pooling: { kind: 'none' } };
    const [mpa] = select('madakv-no-hcc', none, psi, 17);
    const [joint] = select('madakv-neither', none, psi, 17);
    expect([...mpa.keptByModality]).toEqual([4 + 6, 6]);
    expect([...joint.keptByModality]).toEqual([4 + 11, 1]);
  });

  it('without HCC every layer keeps the same', () => {
    for (const name of ['madakv-no-hcc', 'madakv-neither']) {
      expect(select(name, {}, psi, 17, 3).map(({ rows, compensation }) => [rows, compensation])).toEqual([
        [16, 0],
        [16, 0],
        [16, 0],
      ]);
    }
    expect(new Set(select('madakv-no-mpa', {}, psi, 30, 3).map(({ rows }) => rows)).size).toBe(3);
  });
});
