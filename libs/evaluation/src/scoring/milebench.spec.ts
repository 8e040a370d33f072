import { describe, expect, it } from 'vitest';
import { milebenchScorers, milebenchText } from './milebench.js';

describe('milebenchText', () => {
  it.each([
    ['The Cat.', 'the cat'],
    ['3.14', '3.14'],
    ['1,000 (about)', '1000 about'],
    ['red/green', 'red green'],
    ['red/ green', 'red green'],
    ["'Yes'\n", 'yes'],
  ])('%j is %j', (text, expected) => {
    expect(milebenchText(text)).toBe(expected);
  });
});

describe('milebenchScorers', () => {
  it('needle takes whole words, contains does not', () => {
    expect(milebenchScorers['milebench-needle']('It is 42.', '42')).toBe(1);
    expect(milebenchScorers['milebench-needle']('It is 421.', '42')).toBe(0);
    expect(milebenchScorers['milebench-contains']('It is 421.', '42')).toBe(1);
    expect(milebenchScorers['milebench-rouge']('A red car.', 'a red bus')).toBeCloseTo(2 / 3);
  });

  it.each([
    ['B. a red car', 1],
    ['It is a redcar', 1],
    ['b', 1],
    ['A', 0],
    ['', 0],
    ['A. blue', 0],
  ])('choice: %j', (answer, score) => {
    expect(milebenchScorers['milebench-choice'](answer, 'a red car', ['blue', 'A red car.', 'green'])).toBe(score);
  });

  it('choice: no answer counts as C', () => {
    expect(milebenchScorers['milebench-choice']('', 'green', ['blue', 'red', 'green'])).toBe(1);
  });
});
