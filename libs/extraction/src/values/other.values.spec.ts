import { describe, expect, it } from 'vitest';
import { isAbsent } from './absent.answer.js';
import { readBoolean } from './boolean.value.js';
import { isChoice, readChoice } from './choice.value.js';
import { bare } from './reading.js';
import { readText } from './text.value.js';

describe('isAbsent', () => {
  it.each([
    'not stated',
    'Not stated.',
    'N/A',
    'n.a.',
    'none',
    'null',
    '',
    'Keine Angabe',
    'non indiqué',
    'The document does not state a due date.',
    'The invoice doesn’t mention an IBAN.',
    'There is no discount listed.',
    'An employer is not specified.',
    'n. v. t.',
    '—',
  ])('%s says that there is nothing', (answer) => {
    expect(isAbsent(answer)).toBe(true);
  });

  it.each([
    'no',
    'Nonesuch Ltd',
    '0',
    'Not Your Average Bakery',
    'Delivery is not included',
    'No. 4711',
    'NATO',
    '€',
    '°',
  ])('%s does not', (answer) => {
    expect(isAbsent(answer)).toBe(false);
  });
});

describe('bare', () => {
  it.each([
    ['"HT-4827"', 'HT-4827'],
    ['**HT-4827**', 'HT-4827'],
    ['`a`', 'a'],
    ['„Haus“', 'Haus'],
    [' a ', 'a'],
    ['"a" and "b"', '"a" and "b"'],
    ['5"', '5"'],
  ])('%s is %s', (answer, text) => {
    expect(bare(answer)).toBe(text);
  });
});

describe('readChoice', () => {
  const read = (answer: string, ...values: unknown[]) => readChoice(answer, { kind: 'choice', values });

  it('takes a value in any case, with any marks', () => {
    expect(read('Bank transfer', 'cash', 'bank_transfer')).toEqual({ value: 'bank_transfer' });
    expect(read('DIREKT!', 'direkt')).toEqual({ value: 'direkt' });
    expect(read('a', 'A', 'a')).toEqual({ value: 'a' });
  });

  it('takes the one value that an answer has in it, or is a part of', () => {
    expect(read('paid by card', 'cash', 'card')).toEqual({ value: 'card' });
    expect(read('transfer', 'bank transfer', 'cash')).toEqual({ value: 'bank transfer' });
    expect(read('cash or card', 'cash', 'card')).toEqual({ problem: 'is more than one of the values of the enum' });
    expect(read('scared', 'card', 'red')).toEqual({ problem: 'is none of the values of the enum' });
  });

  it('takes the nearest value where few letters are wrong, and only one is as near', () => {
    expect(read('Swith Logistics', 'Swift Logistics', 'DHL')).toEqual({ value: 'Swift Logistics' });
    expect(read('abcdx', 'abcde', 'abcdf')).toEqual({ problem: 'is more than one of the values of the enum' });
    expect(read('DHX', 'DHL')).toEqual({ problem: 'is none of the values of the enum' });
  });

  it('takes no number for another, and no value that is denied', () => {
    const none = { problem: 'is none of the values of the enum' };
    expect(read('60 days', '30 days', 'on receipt')).toEqual(none);
    expect(read('net 30 days', '30 days', 'on receipt')).toEqual({ value: '30 days' });
    expect(read('ISO 9002', 'ISO 9001', 'none')).toEqual(none);
    expect(read('19.6 %', 0, 7, 19)).toEqual(none);
    expect(read('5,50 %', 5, 5.5, 10)).toEqual({ value: 5.5 });
    expect(read('1.5', 1, 2)).toEqual(none);
    expect(read('-7', 7, 19)).toEqual(none);
    expect(read('Not approved', 'approved', 'rejected')).toEqual(none);
    expect(read('not approved', 'approved', 'not approved')).toEqual({ value: 'not approved' });
  });

  it('takes signs as they stand', () => {
    const kind = { kind: 'choice' as const, values: ['€', '$'] };
    expect(isChoice('€', kind)).toBe(true);
    expect(readChoice('€', kind)).toEqual({ value: '€' });
  });

  it('gives values as the schema has them', () => {
    expect(read('20', 7, 20)).toEqual({ value: 20 });
    expect(read('true', true, false)).toEqual({ value: true });
  });
});

describe('readBoolean', () => {
  it.each(['yes', 'Yes.', 'TRUE', 'ja', 'oui', 'sí', 'x', '☑', 'Yes, it is signed.'])('%s is true', (answer) => {
    expect(readBoolean(answer)).toEqual({ value: true });
  });
  it.each(['no', 'No, it is not.', 'false', 'nein', '☐'])('%s is false', (answer) => {
    expect(readBoolean(answer)).toEqual({ value: false });
  });
  it.each(['maybe', 'yesterday', 'no idea', 'constructor', 'n.a.', 'N.A.', 'n.d.'])('%s is neither', (answer) => {
    expect(readBoolean(answer)).toEqual({ problem: 'is neither yes nor no' });
  });
});

describe('readText', () => {
  it('keeps texts as they stand', () => {
    expect(readText(' 30 days\nnet ', { kind: 'text' })).toEqual({ value: '30 days\nnet' });
  });

  it('holds them to length and pattern', () => {
    expect(readText('ab', { kind: 'text', minLength: 3 })).toEqual({
      problem: 'has 2 characters; at least 3 are wanted',
    });
    expect(readText('😀😀', { kind: 'text', maxLength: 2 })).toEqual({ value: '😀😀' });
    expect(readText('abc', { kind: 'text', maxLength: 2 })).toEqual({
      problem: 'has 3 characters; at most 2 are wanted',
    });
    expect(readText('HT-4827', { kind: 'text', pattern: '^HT-\\d+' })).toEqual({ value: 'HT-4827' });
    expect(readText('XT-4827', { kind: 'text', pattern: '^HT' })).toEqual({ problem: 'does not match the pattern' });
  });

  it('holds what has a format to its pattern, too', () => {
    const kind = { kind: 'text' as const, format: 'date' as const, pattern: '^20\\d\\d-' };
    expect(readText('14 March 2025', kind)).toEqual({ value: '2025-03-14' });
    expect(readText('14 March 1999', kind)).toEqual({ problem: 'does not match the pattern' });
  });

  it.each([
    ['email', 'mailto:Clara.Hartmann@Post.Example', { value: 'Clara.Hartmann@post.example' }],
    ['email', 'clara hartmann@post.example', { problem: 'is not an e-mail address' }],
    ['email', 'clara@post', { problem: 'is not an e-mail address' }],
    ['ipv4', '10.0.0.1', { value: '10.0.0.1' }],
    ['ipv4', '10.0.0.256', { problem: 'is not an IPv4 address' }],
    ['uuid', '123E4567-E89B-12D3-A456-426614174000', { value: '123e4567-e89b-12d3-a456-426614174000' }],
    ['uuid', '123', { problem: 'is not a UUID' }],
    ['date', '14 March 2025', { value: '2025-03-14' }],
  ] as const)('as %s: %s', (format, answer, reading) => {
    expect(readText(answer, { kind: 'text', format })).toEqual(reading);
  });
});
