import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatMs, parseBytes, parseDuration } from './units.js';

describe('units', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.50 KiB'],
    [26 * 1024, '26.0 KiB'],
    [300 * 2 ** 20, '300 MiB'],
    [24 * 2 ** 30, '24.0 GiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    ['8GiB', 8 * 2 ** 30],
    ['1.5 gib', 1.5 * 2 ** 30],
    ['500MB', 5e8],
    ['2K', 2000],
    ['1024', 1024],
    ['12 B', 12],
    ['GiB', undefined],
    ['8 pounds', undefined],
    ['-1GiB', undefined],
  ])('reads %j as %s bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it('writes times and counts', () => {
    expect([0.42, 45.3, 1234, 125_000].map(formatMs)).toEqual(['0.4 ms', '45 ms', '1.2 s', '2 min 5 s']);
    expect([179_600, 180_400].map(formatMs)).toEqual(['3 min 0 s', '3 min 0 s']);
    expect(formatCount(1234567)).toBe('1,234,567');
  });
});

it.each([
  ['90s', 90],
  ['30m', 1_800],
  ['12 h', 43_200],
  ['7d', 604_800],
  ['1.5D', 129_600],
  ['2w', 1_209_600],
  ['7', undefined],
  ['d', undefined],
  ['-1d', undefined],
  ['7 months', undefined],
])('reads the time %j', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds);
});
