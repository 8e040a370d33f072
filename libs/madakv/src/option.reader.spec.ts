import { describe, expect, it } from 'vitest';
import { PolicyOptionError, UnknownPolicyError } from './errors.js';
import { createPolicy } from './policies/registry.js';

describe('options', () => {
  const wrong: [string, unknown, string][] = [
    ['madakv', { theta: 0 }, 'madakv: option theta must be a number above 0 and at most 1, got 0'],
    ['madakv', { theta: '0.9' }, 'madakv: option theta must be a number above 0 and at most 1, got "0.9"'],
    ['madakv', { beta: NaN }, 'madakv: option beta must be a number at least 1, got NaN'],
    ['madakv', { modalityFloor: 1.5 }, 'option modalityFloor must be a whole number at least 0, got 1.5'],
    ['madakv', { mpa: 'yes' }, 'option mpa must be true or false, got "yes"'],
    [
      'madakv-paper',
      { layerRule: 'x' },
      'madakv-paper: option layerRule must be one of literal, demand, profile, got "x"',
    ],
    [
      'madakv',
      { proxies: 0 },
      'option proxies must be one of last, question, or a whole number at least 1 and at most 4096, got 0',
    ],
    ['madakv', { profile: { layers: [1, 0] } }, 'option profile must be flat, late, or {layers: weights above 0'],
    ['madakv', { profile: { layers: [1, 1], heads: [[1]] } }, 'option profile must be'],
    ['madakv', { pooling: { kind: 'grid', cols: 4 } }, 'option pooling.cols must be an odd number of cells'],
    ['madakv', { pooling: { kind: 'grid', cols: { left: 4 } } }, 'option pooling.cols must be an odd number of cells'],
    ['madakv', { pooling: 'max' }, 'option pooling must be an object, got "max"'],
    [
      'madakv',
      { pooling: { kind: 'none', cols: 3 } },
      'option pooling.cols must be left out; options here: kind, got 3',
    ],
    ['madakv', { Theta: 1 }, 'option Theta must be left out; options here: proxies, questionWindow, otherWeight,'],
    ['full', { theta: 1 }, 'full: option theta must be left out: there are no options here, got 1'],
    ['random', { seed: -1 }, 'random: option seed must be a whole number at least 0 and at most 4294967295, got -1'],
    ['look-m', { textModality: '' }, 'look-m: option textModality must be a name, got ""'],
    ['h2o', [], 'h2o: option options must be an object, got []'],
  ];

  it.each(wrong)('%s %j', (name, options, message) => {
    expect(() => createPolicy(name, options)).toThrow(PolicyOptionError);
    expect(() => createPolicy(name, options)).toThrow(message);
  });

  it('takes windows as odd numbers or by side', () => {
    expect(() => createPolicy('madakv', { pooling: { kind: 'grid', cols: { after: 8 }, rows: 3 } })).not.toThrow();
  });

  it('names the policies there are', () => {
    expect(() => createPolicy('madakvv')).toThrow(UnknownPolicyError);
    expect(() => createPolicy('toString')).toThrow(/known: madakv, madakv-paper, .*random/);
  });
});
