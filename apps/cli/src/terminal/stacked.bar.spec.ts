import { describe, expect, it } from 'vitest';
import { sparkline, stackedBar } from './stacked.bar.js';

const plain = { width: 10, colour: false };

describe('stackedBar', () => {
  it('is as long as the sum of its parts, and as wide as it says', () => {
    expect(stackedBar([1, 1, 1], { whole: 10, ...plain })).toBe('█▒▓       ');
    expect(stackedBar([0.4, 0.4, 0.4], { whole: 10, ...plain })).toBe('▒         ');
    expect(stackedBar([], { whole: 0, ...plain })).toBe(' '.repeat(10));
  });

  it('goes on with dots up to a reach, and never beyond its width', () => {
    expect(stackedBar([3], { whole: 10, reach: 6, ...plain })).toBe('███···    ');
    expect(stackedBar([30], { whole: 10, reach: 60, ...plain })).toBe('█'.repeat(10));
    expect(stackedBar([5], { whole: 10, reach: 2, ...plain })).toBe('█████     ');
  });
});

it('sparkline draws a column a value', () => {
  expect(sparkline([0, 0.5, 1, 2, -1])).toBe('▁▅██▁');
  expect(sparkline([2, 4], 4)).toBe('▅█');
});
