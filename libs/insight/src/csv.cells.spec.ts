import { describe, expect, it } from 'vitest';
import { safeCell } from './csv.cells.js';

describe('safeCell', () => {
  it.each([
    '=1+1',
    "=cmd|' /C calc'!A0",
    '+A1',
    '-A1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    '＝1+1',
    '- a list',
    '-2+3',
    '-12-3',
  ])('quotes %j', (text) => {
    expect(safeCell(text)).toBe(`'${text}`);
  });

  it.each([
    '-12.50',
    '+3 %',
    '-1.234,56 €',
    '-$5.00',
    '+49 30 123456',
    '-1e-5',
    '- 4',
    '-1’000',
    '5',
    'a=b',
    '',
    "'=1",
  ])('leaves %j alone', (text) => {
    expect(safeCell(text)).toBe(text);
  });
});
