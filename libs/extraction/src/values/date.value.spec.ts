import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDate } from './date.value.js';

const AMBIGUOUS = 'is a date whose day and month cannot be told apart';

describe('readDate', () => {
  it.each([
    ['2025-03-14', '2025-03-14'],
    ['2025/03/14', '2025-03-14'],
    ['2025.3.4', '2025-03-04'],
    ['20250314', '2025-03-14'],
    ['14.03.2025', '2025-03-14'],
    ['4.3.2025', '2025-03-04'],
    ['04.03.25', '2025-03-04'],
    ['14. 3. 2025', '2025-03-14'],
    ['31/12/2024', '2024-12-31'],
    ['12/31/2024', '2024-12-31'],
    ['12-31-24', '2024-12-31'],
    ['05/05/2025', '2025-05-05'],
    ['31.12.99', '1999-12-31'],
    ['14 March 2025', '2025-03-14'],
    ['March 14, 2025', '2025-03-14'],
    ['Mar 14, 2025', '2025-03-14'],
    ['14-Mar-2025', '2025-03-14'],
    ['14/Mar/25', '2025-03-14'],
    ['14MAR2025', undefined],
    ['Sept. 3rd, 2025', '2025-09-03'],
    ['the 3rd of May 2025', '2025-05-03'],
    ['Friday, 14 March 2025', '2025-03-14'],
    ['2025 March 14', '2025-03-14'],
    ["14 March '25", '2025-03-14'],
    ['14. März 2025', '2025-03-14'],
    ['Freitag, den 14. Mär. 2025', '2025-03-14'],
    ['1. Mai 2025', '2025-05-01'],
    ['3. Jänner 2025', '2025-01-03'],
    ['1er février 2025', '2025-02-01'],
    ['vendredi 14 août 2025', '2025-08-14'],
    ['14 de marzo de 2025', '2025-03-14'],
    ['14 marca 2025', '2025-03-14'],
    ['14 maart 2025', '2025-03-14'],
    ['2025-03-14T09:42:00Z', '2025-03-14'],
    ['14 March 2025, 09:42', '2025-03-14'],
    ['14 March 2025, 09:00-17:00', '2025-03-14'],
    ['25-03-99', '1999-03-25'],
    ['29 February 2024', '2024-02-29'],
  ])('%s is %s', (answer, value) => {
    expect(readDate(answer, 'date')).toEqual(value === undefined ? { problem: 'is not a date' } : { value });
  });

  it.each([
    ['08/11/2025', AMBIGUOUS],
    ['03-04-25', AMBIGUOUS],
    ['25-03-14', 'is a date whose day and year cannot be told apart'],
    ['29 February 2025', 'is no date of the calendar'],
    ['31.04.2025', 'is no date of the calendar'],
    ['13/13/2025', 'is no date of the calendar'],
    ['March 2025', 'has no day, or no year'],
    ['14 March', 'has no day, or no year'],
    ['30 days net', 'is not a date'],
    ['HT-4827', 'is not a date'],
    ['soon', 'is not a date'],
    ['14 March 2025 and 15 March 2025', 'is not a date'],
    ['14.03', 'is not a date'],
  ])('%s %s', (answer, problem) => {
    expect(readDate(answer, 'date')).toEqual({ problem });
  });

  it.each([
    ['2025-03-14T09:42:00+01:00', '2025-03-14T09:42:00+01:00'],
    ['2025-03-14 09:42 UTC', '2025-03-14T09:42:00Z'],
    ['14 March 2025, 9:42:07 pm GMT', '2025-03-14T21:42:07Z'],
    ['14.03.2025 09:42 +0200', '2025-03-14T09:42:00+02:00'],
  ])('with its time %s is %s', (answer, value) => {
    expect(readDate(answer, 'date-time')).toEqual({ value });
  });

  it.each([
    ['09:42Z', 'time', { value: '09:42:00Z' }],
    ['12:05 am UTC', 'time', { value: '00:05:00Z' }],
    ['09:42', 'time', { problem: 'has no time zone, which this format needs; a text takes it as it stands' }],
    [
      '14 March 2025 09:42',
      'date-time',
      { problem: 'has no time zone, which this format needs; a text takes it as it stands' },
    ],
    ['14 March 2025', 'date-time', { problem: 'has no time of day' }],
    ['25:00Z', 'time', { problem: 'is not a time of day' }],
    ['09:00-17:00', 'time', { problem: 'is not a time of day' }],
    ['09:00-10:30', 'time', { problem: 'is not a time of day' }],
    ['09:00:00-05:00', 'time', { value: '09:00:00-05:00' }],
    ['09:00:00-17:00', 'time', { problem: 'has no time zone that there is' }],
    ['2025-03-14T09:00-05:00', 'date-time', { value: '2025-03-14T09:00:00-05:00' }],
    ['14 March 2025, 09:00-17:00', 'date-time', { problem: 'is not a date' }],
    ['noon', 'time', { problem: 'is not a time of day' }],
  ] as const)('%s as %s', (answer, format, reading) => {
    expect(readDate(answer, format)).toEqual(reading);
  });

  it('reads every day as the locales of the world spell it', () => {
    const locales = [
      'en-US',
      'en-GB',
      'de-DE',
      'fr-FR',
      'es-ES',
      'it-IT',
      'nl-NL',
      'pt-PT',
      'sv-SE',
      'da-DK',
      'nb-NO',
      'cs-CZ',
      'pl-PL',
      'fi-FI',
    ];
    const day = fc.date({ min: new Date('1930-01-01'), max: new Date('2068-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(
        day,
        fc.constantFrom(...locales),
        fc.constantFrom('long', 'medium', 'full'),
        (date, locale, dateStyle) => {
          const text = new Intl.DateTimeFormat(locale, { dateStyle, timeZone: 'UTC' }).format(date);
          const [expected] = date.toISOString().split('T');
          const reading = readDate(text, 'date');
          if ('problem' in reading) expect(reading.problem).toBe(AMBIGUOUS);
          else expect(reading.value).toBe(expected);
        },
      ),
    );
  });

  it('is done with any text in a moment', () => {
    for (const piece of ['1.', '1 ', '1:', 'a-', '-', '12:30 ', 'mai ']) readDate(piece.repeat(5_000), 'date-time');
  });
});
