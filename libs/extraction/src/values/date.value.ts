import { dateWord, MONTHS, WEEKDAYS } from './month.names.js';
import { bare, type Reading } from './reading.js';

/** Words around the parts of a date: `the 3rd of May`, `14 de marzo de 2025`, `den 1. Mai`. */
const FILLERS: ReadonlySet<string> = new Set([
  'the',
  'of',
  'on',
  'at',
  'le',
  'de',
  'del',
  'do',
  'den',
  'der',
  'am',
  'um',
  'uhr',
  'kl',
  'a',
  'as',
  'den',
]);
const ORDINALS = /^(\d{1,2})(?:st|nd|rd|th|er|re|º|ª|\.)$/;
/** Years of two digits before it are of this century (POSIX). */
const PIVOT = 69;

/** From twelve hours behind to fourteen ahead of UTC, by quarters of an hour. */
const ZONE = /^(?:Z|[+-](?:0\d|1[01]):(?:00|15|30|45)|-12:00|\+(?:1[23]:(?:00|15|30|45)|14:00))$/;

interface Clock {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** `Z` or `+01:00`. */
  readonly zone?: string;
}

/**
 * Reads a date, a time, or both, and writes it as RFC 3339 does. Day and month are told apart by what the answer itself shows: a
 * name, a dot between them, a number above 12. A time zone is never made up.
 */
export function readDate(answer: string, format: 'date' | 'time' | 'date-time'): Reading {
  const given = bare(answer).replace(/\s/gu, ' ');
  const text = given.replace(/(\d)T(?=\d)/, '$1 ');
  // Of `09:00-17:00` a date needs nothing; as a time it is a span of hours, and its end no zone.
  const found = clockIn(text, format === 'date' || text !== given);
  if (format === 'time') {
    if (found.clock === undefined || parts(found.rest).length > 0) return { problem: 'is not a time of day' };
    return zoned(found.clock, (time) => time);
  }
  const date = dateOf(found.rest);
  if (typeof date !== 'string') return date;
  if (format === 'date') return { value: date };
  return found.clock === undefined
    ? { problem: 'has no time of day' }
    : zoned(found.clock, (time) => `${date}T${time}`);
}

/**
 * A time of day, and the text without it.
 * @param isZone whether hours behind a minus are a zone even where the time has no seconds
 */
function clockIn(text: string, isZone: boolean): { readonly rest: string; readonly clock?: Clock } {
  const time =
    /(?<![\d.:])(\d{1,2})(?:[:h](\d{2})(?::(\d{2})(?:[.,]\d+)?)?|\.(\d{2})(?=\s*(?:uhr|[ap]\.?m)))?\s*([ap]\.?m\b\.?)?\s*(Z\b|UTC|GMT|[+-]\d{2}:?\d{2})?/giu;
  for (const match of text.matchAll(time)) {
    const [whole, hours, colonMinutes, seconds, dotMinutes, half, zone] = match as (string | undefined)[];
    const minutes = colonMinutes ?? dotMinutes;
    // A number alone is a part of a date.
    if (whole === undefined || (minutes === undefined && half === undefined)) continue;
    const hour = hourOf(Number(hours), half);
    if (hour === undefined || Number(minutes ?? 0) > 59 || Number(seconds ?? 0) > 59) continue;
    const isSpan = zone?.startsWith('-') === true && !isZone && seconds === undefined;
    const length = isSpan ? whole.length - zone.length : whole.length;
    const rest = `${text.slice(0, match.index)} ${text.slice(match.index + length)}`;
    const clock = { hour, minute: Number(minutes ?? 0), second: Number(seconds ?? 0) };
    return { rest, clock: zone === undefined || isSpan ? clock : { ...clock, zone: zoneOf(zone) } };
  }
  return { rest: text };
}

function hourOf(hour: number, half: string | undefined): number | undefined {
  if (half === undefined) return hour > 23 ? undefined : hour;
  if (hour < 1 || hour > 12) return undefined;
  return (hour % 12) + (/^p/i.test(half) ? 12 : 0);
}

function zoneOf(zone: string): string {
  return /^[+-]/.test(zone) ? zone.replace(/^(...):?/, '$1:') : 'Z';
}

function zoned({ hour, minute, second, zone }: Clock, written: (time: string) => string): Reading {
  if (zone === undefined) return { problem: 'has no time zone, which this format needs; a text takes it as it stands' };
  if (!ZONE.test(zone)) return { problem: 'has no time zone that there is' };
  return { value: written(`${two(hour)}:${two(minute)}:${two(second)}${zone}`) };
}

function parts(text: string): string[] {
  return text.split(/[\s,;()]+/u).filter((word) => word !== '' && !isFiller(word));
}

function isFiller(word: string): boolean {
  const known = dateWord(word).replace(/\.$/, '');
  // Some short names are a month in one language and a day of the week in another.
  return known === '' || FILLERS.has(known) || (WEEKDAYS.has(known) && !MONTHS.has(known));
}

function dateOf(text: string): string | { readonly problem: string } {
  const words = parts(text).flatMap((word) =>
    isNumeric(word) ? [word] : word.split(/(?<=\p{L}\.?)[-/](?=.)|[-/](?=\p{L})|(?<=\d)\.(?=\p{L})/u),
  );
  if (words.length === 1) return numericDate(words[0]);
  const months = words.flatMap((word) => MONTHS.get(dateWord(word).replace(/\.$/, '')) ?? []);
  const numbers = words.flatMap((word) => {
    const digits = ORDINALS.exec(word)?.[1] ?? word.replace(/^['’](?=\d\d$)/, '');
    return /^\d{1,4}$/.test(digits) ? [digits] : [];
  });
  if (months.length === 0 && numbers.length === 3 && words.length === 3)
    return numericDate(words.join(' ').replace(/\. /g, '.'));
  if (months.length !== 1 || months.length + numbers.length !== words.length) return { problem: 'is not a date' };
  if (numbers.length === 1) return { problem: 'has no day, or no year' };
  const year = numbers.find(({ length }) => length === 4) ?? numbers.at(-1);
  const day = numbers.find((number) => number !== year) ?? numbers[0];
  if (numbers.length !== 2 || year === undefined) return { problem: 'is not a date' };
  return written(yearOf(year), months[0], Number(day));
}

function isNumeric(word: string): boolean {
  return /^[\d./-]+$/.test(word);
}

/** `2025-03-14`, `14.03.2025`, `03/14/2025`, `20250314`. */
function numericDate(text: string): string | { readonly problem: string } {
  const iso = /^(\d{4})(?:([-/. ])(\d{1,2})\2(\d{1,2})|(\d{2})(\d{2}))\.?$/.exec(text) as (string | undefined)[] | null;
  if (iso !== null) return written(Number(iso[1]), Number(iso[3] ?? iso[5]), Number(iso[4] ?? iso[6]));
  const other = /^(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})\.?$/.exec(text);
  if (other === null) return { problem: 'is not a date' };
  const [first, mark, second, year] = [Number(other[1]), other[2], Number(other[3]), yearOf(other[4])];
  // `25-03-14` begins with its year in some countries, and with its day in others.
  const isTurned = mark === '-' && other[4].length === 2 && first > 12;
  if (isTurned && Number(other[4]) <= 31) return { problem: 'is a date whose day and year cannot be told apart' };
  if (mark === '.' || first > 12 || first === second) return written(year, second, first);
  if (second > 12) return written(year, first, second);
  return { problem: 'is a date whose day and month cannot be told apart' };
}

function yearOf(digits: string): number {
  const year = Number(digits);
  if (digits.length > 2) return year;
  return year + (year < PIVOT ? 2000 : 1900);
}

function written(year: number, month: number, day: number): string | { readonly problem: string } {
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day);
  const exists = year > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists
    ? `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
    : { problem: 'is no date of the calendar' };
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
