import { describe, expect, it } from 'vitest';
import { rougeL } from './rouge.js';
import { isFalseAlarm, scorers, type ScorerName } from './scorers.js';

describe('scorers', () => {
  it.each<[ScorerName, string, string, number]>([
    ['exact', ' 12.50\n', '12.50', 1],
    ['exact', '12.5', '12.50', 0],
    ['exact', 'Total', 'total', 0],
    ['contains', 'It is 12.50.', '12.50 ', 1],
    ['contains', 'It is 12.5', '12.50', 0],
    ['yes-no', 'Yes, it is.', 'yes', 1],
    ['yes-no', 'Not at all', 'no', 0],
    ['yes-no', '', 'no', 0],
    ['absent', 'Not stated.', 'not stated', 1],
    ['absent', '12.50', 'not stated', 0],
    ['absent', 'not stated', '12.50', 0],
    ['absent', '12.50', '12.50', 1],
    ['rouge-l', 'the cat sat', 'The cat sat.', 1],
    ['rouge-l', '', 'cat', 0],
    ['rouge-l', 'dog', 'cat', 0],
  ])('%s: %j for %j is %d', (name, answer, expected, score) => {
    expect(scorers[name](answer, expected, [])).toBe(score);
  });

  it('knows false alarms', () => {
    expect(isFalseAlarm('not stated', '12')).toBe(true);
    expect(isFalseAlarm('not stated', 'not stated')).toBe(false);
    expect(isFalseAlarm('13', '12')).toBe(false);
  });
});

describe('rougeL', () => {
  it('is the worked example of the paper', () => {
    // Lin 2004, section 3.1: LCS of "police killed the gunman" and "police kill the gunman" is 3 of 4.
    expect(rougeL('police kill the gunman', 'police killed the gunman')).toBeCloseTo(0.75);
    expect(rougeL('the gunman kill police', 'police killed the gunman')).toBeCloseTo(0.5);
  });

  it('weighs lengths', () => {
    expect(rougeL('a b c d', 'b d')).toBeCloseTo((2 * 0.5 * 1) / 1.5);
  });
});
