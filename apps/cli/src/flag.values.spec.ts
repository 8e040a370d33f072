import { describe, expect, it } from 'vitest';
import { keyValue, ratio, wholeNumber } from './flag.values.js';

describe('flag values', () => {
  it('reads key=value as JSON or text, and dots as a way inside', () => {
    const options = ['theta=0.9', 'proxies=last', 'pooling.cols=9', 'pooling.kind="grid"', 'a=x=y'].reduce<
      Record<string, unknown>
    >((before, text) => keyValue(text, before), {});
    expect(options).toEqual({ theta: 0.9, proxies: 'last', pooling: { cols: 9, kind: 'grid' }, a: 'x=y' });
    expect(() => keyValue('=1')).toThrow('key=value');
  });

  it.each(['', ' ', '0', '-1', '1.5', 'x', '1e400'])('refuses %j as a count', (text) => {
    expect(() => wholeNumber(1)(text)).toThrow('whole number of at least 1');
  });

  it.each(['', '0', '1.01', '-0.1', 'NaN'])('refuses %j as a ratio', (text) => {
    expect(() => ratio(text)).toThrow('above 0 and at most 1');
  });

  it('reads what is right', () => {
    expect([wholeNumber(1)('12'), ratio('0.05'), ratio('1')]).toEqual([12, 0.05, 1]);
  });
});
