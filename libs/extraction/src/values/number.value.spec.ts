import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NumberKind } from '../extraction.plan.js';
import { decimalMarkIn, readNumber } from './number.value.js';

const NUMBER: NumberKind = { kind: 'number' };
const INTEGER: NumberKind = { kind: 'integer' };

describe('readNumber', () => {
  it.each([
    ['1,234.56', 1234.56],
    ['1.234,56', 1234.56],
    ['1 234,56 €', 1234.56],
    ['1\u202f234,56\u00a0€', 1234.56],
    ['1’234.50', 1234.5],
    ["CHF 1'234.50", 1234.5],
    ['£1,246.32', 1246.32],
    ['€ 1.246', 1246],
    ['EUR 1,246', 1246],
    ['JPY 12,500', 12_500],
    ['KWD 1,250.500', 1250.5],
    ['1.200,-', 1200],
    ['1.200,--', 1200],
    ['50.-', 50],
    ['$1,234,567', 1_234_567],
    ['1.234.567', 1_234_567],
    ['₹ 12,34,567.50', 1_234_567.5],
    ['24.30', 24.3],
    ['24,3', 24.3],
    ['.5', 0.5],
    ['0,125', 0.125],
    ['1234.567', 1234.567],
    ['-5', -5],
    ['\u22125,50', -5.5],
    ['–5', -5],
    ['- £5', -5],
    ['£ -5', -5],
    ['5.00-', -5],
    ['(5.00)', -5],
    ['(£1,000.00)', -1000],
    ['-0', 0],
    ['20 %', 20],
    ['7,5%', 7.5],
    ['375 kg', 375],
    ['12.5 m²', 12.5],
    ['5 m', 5],
    ['5 ml', 5],
    ['$12.00 CR', 12],
    ['€ 12 m²', 12],
    ['HK$ 5.50', 5.5],
    ['12 EUR', 12],
    ['30 days net', 30],
    ['1.5e3', 1500],
    ['"42"', 42],
    ['100.', 100],
    ['US$ 12', 12],
    ['+3', 3],
    ['１２', 12],
  ])('%s is %d', (answer, value) => {
    expect(readNumber(answer, NUMBER)).toEqual({ value });
  });

  it.each([
    '$1.2M',
    'USD 1.2M',
    '£3m',
    '$2B',
    '$1.5 trillion',
    '250 T€',
    '250 TEUR',
    '12 M€',
    '5 MEUR',
    '5 Md€',
    'k€ 5',
    '₹5 Cr',
    '10 mln',
    '1,5 mld',
    '5 tys. zł',
    '5万円',
    'HT-4827',
    '12.03.2024',
    '01632 960418',
    '1,23,45',
    '1.2 million',
    '3k',
    '5 Mio. EUR',
    '3 of 5',
    '10-20',
    'page 3',
    '-5-',
    '--5',
    '(-5)',
    '(5',
    '1,234,56',
    '1.234.56',
    'about five',
    '12345678901234567890',
  ])('%s is not a number', (answer) => {
    expect(readNumber(answer, NUMBER)).toEqual({ problem: 'is not one number' });
  });

  it.each(['1,234', '1.234', '13,925 kg', 'KWD 125.500', '2.345 LBS', '12.500 KWH'])(
    'leaves open what %s is',
    (answer) => {
      expect(readNumber(answer, NUMBER)).toEqual({
        problem: 'may have thousands or decimals behind its mark: nothing shows which',
      });
      expect(readNumber(answer, INTEGER)).toHaveProperty('value');
    },
  );

  it('reads it as the other numbers of the document are written', () => {
    expect(readNumber('1,234', NUMBER, '.')).toEqual({ value: 1234 });
    expect(readNumber('1,234', NUMBER, ',')).toEqual({ value: 1.234 });
    expect(readNumber('1.234', NUMBER, '.')).toEqual({ value: 1.234 });
    expect(readNumber('1.234', NUMBER, ',')).toEqual({ value: 1234 });
    expect(readNumber('$3.459', NUMBER, '.')).toEqual({ value: 3.459 });
    expect(readNumber('$3.459', NUMBER)).toEqual({ value: 3459 });
    expect(readNumber('3.459', INTEGER, '.')).toEqual({ value: 3459 });
  });

  it('takes whole numbers for integers, however they are written', () => {
    expect(readNumber('48,260', INTEGER)).toEqual({ value: 48_260 });
    expect(readNumber('48.260', INTEGER)).toEqual({ value: 48_260 });
    expect(readNumber('7.00', INTEGER)).toEqual({ value: 7 });
    expect(readNumber('7.5', INTEGER)).toEqual({ problem: 'is no whole number' });
  });

  it('holds numbers to the limits of the schema', () => {
    const kind: NumberKind = { kind: 'number', minimum: 0, maximum: 100 };
    expect(readNumber('-1', kind)).toEqual({ problem: 'is below the minimum of 0' });
    expect(readNumber('100', kind)).toEqual({ value: 100 });
    expect(readNumber('101', kind)).toEqual({ problem: 'is above the maximum of 100' });
    expect(readNumber('0', { kind: 'integer', exclusiveMinimum: 0 })).toEqual({ problem: 'is not above 0' });
    expect(readNumber('9', { kind: 'integer', exclusiveMaximum: 9 })).toEqual({ problem: 'is not below 9' });
  });

  it('reads any amount as the locales of the world write it', () => {
    const locales = ['en-US', 'de-DE', 'fr-FR', 'de-CH', 'en-IN', 'pl-PL', 'pt-BR', 'sv-SE', 'cs-CZ', 'nl-NL'];
    const cents = fc.integer({ min: -99_999_999_999, max: 99_999_999_999 });
    fc.assert(
      fc.property(cents, fc.constantFrom(...locales), fc.boolean(), (amount, locale, isMoney) => {
        const format = new Intl.NumberFormat(locale, {
          minimumFractionDigits: 2,
          ...(isMoney ? { style: 'currency', currency: 'EUR' } : {}),
        });
        expect(readNumber(format.format(amount / 100), NUMBER)).toEqual({ value: amount === 0 ? 0 : amount / 100 });
      }),
    );
  });

  it('is done with any text in a moment', () => {
    for (const piece of ['1,', '1 ', '€', 'A', '(', '1.000', ' ', 'a ']) readNumber(piece.repeat(5_000), NUMBER);
  });
});

describe('decimalMarkIn', () => {
  it.each([
    ['1,234.56', { mark: '.', isCertain: true }],
    ['1.234,56', { mark: ',', isCertain: true }],
    ['24.30', { mark: '.', isCertain: true }],
    ['1.234.567', { mark: ',', isCertain: true }],
    ['€ 1.246', { mark: ',', isCertain: false }],
    ['KWD 1.246', undefined],
    ['1,234', undefined],
    ['12', undefined],
    ['HT-4827', undefined],
  ])('%s shows %s', (answer, shown) => {
    expect(decimalMarkIn(answer, NUMBER)).toEqual(shown);
  });
});
