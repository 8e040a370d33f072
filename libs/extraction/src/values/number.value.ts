import type { NumberKind } from '../extraction.plan.js';
import { AMBIGUOUS, readDigits, type DecimalMark } from './digits.js';
import { bare, type Reading } from './reading.js';

/** A sign may have its country before it; other letters there, as in `k€` and `M€`, are what the number is multiplied by. */
const COUNTRY = 'A|AU|AUD|AR|C|CA|CAD|CO|HK|J|JP|Mex|MX|NT|NZ|R|S|SG|TT|US|USD';
const CURRENCY = String.raw`(?:(?:${COUNTRY})?\p{Sc}|[A-Z]{3}|kr\.?|Kr\.?|Fr\.?|Rs\.?|zł|Kč|Ft|lei|руб\.?)`;
/** Digits with what stands before and behind them; nothing else with a digit in it. */
const NUMBER =
  /^(?<open>\()?(?<before>[^\d().,]*?)(?<digits>[.,]?\d(?:[\d.,'’_ ]*\d)?)(?:[.,](?<none>[-–—]{1,2})?)?(?<after>[^\d()]*)(?<close>\))?$/u;
const BEFORE = new RegExp(String.raw`^(?<sign>[+-]?)\s*(?<currency>${CURRENCY})?\s*(?<late>[+-]?)\s*$`, 'u');
const MONEY = new RegExp(String.raw`^${CURRENCY}$`, 'u');
const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));
/** A percent sign, or a unit in a word or two. */
const UNIT = /^(?:[%‰°]|[\p{L}\p{So}\p{Sc}°%µ²³/.]+(?: [\p{L}.]+)?)$/u;
/** Words that a number has to be multiplied by: it is not read as if they were not there. */
const MAGNITUDE =
  /^(?:(?:k|tsd|thousands?|mil|mille|tys|тыс|mn|mln|mios?|million(?:s|en|es|i)?|mill|млн|mld|md|mrd|млрд|bn|billions?|milliarden?|milliards?|trillions?|lakhs?|crores?|dozens?)(?!\p{L})|(?:[kmt]|mio|md|mrd)(?:eur(?!\p{L})|\p{Sc})|[万億亿萬])/iu;
/** Such a word beside money: behind anything else `m` is a length. */
const MONEY_MAGNITUDE = /^(?:[kmbt]|mm|tn|cr)(?![\p{L}\p{No}])/iu;

interface Parsed {
  readonly sign: 1 | -1;
  readonly digits: string;
  /** An amount of money whose currency has no thousandths: three digits behind a single mark are a group. */
  readonly isGrouped: boolean;
}

/**
 * Reads a number as documents print it: with a currency, a unit or a percent sign, which are left out, either decimal mark,
 * groups of digits, a minus before or behind it, or brackets for one.
 * @param decimal what the document's other numbers show the decimal mark to be
 */
export function readNumber(answer: string, kind: NumberKind, decimal?: DecimalMark): Reading {
  const text = normalised(answer);
  const plainValue = /^[+-]?\d+(?:\.\d+)?e[+-]?\d{1,2}$/i.test(text) ? Number(text) : undefined;
  if (plainValue !== undefined) return checked(plainValue, kind);
  const parsed = parse(text);
  if (parsed === undefined) return { problem: `is not one ${kind.kind}` };
  const found = readDigits(
    parsed.digits,
    kind.kind === 'integer' ? true : (decimal ?? (parsed.isGrouped || undefined)),
  );
  if (found === undefined) return { problem: `is not one ${kind.kind}` };
  if (found === AMBIGUOUS) return { problem: 'may have thousands or decimals behind its mark: nothing shows which' };
  const value = parsed.sign * found.value;
  return checked(value === 0 ? 0 : value, kind);
}

/** A decimal mark that a number shows: beyond doubt, or because money has cents and no thousandths, as a price of petrol does. */
export interface ShownMark {
  readonly mark: DecimalMark;
  readonly isCertain: boolean;
}

/** The decimal mark that a number shows. */
export function decimalMarkIn(answer: string, { kind }: NumberKind): ShownMark | undefined {
  const parsed = parse(normalised(answer));
  if (parsed === undefined) return undefined;
  for (const isCertain of [true, false]) {
    const found = readDigits(parsed.digits, kind === 'integer' || (!isCertain && parsed.isGrouped) ? true : undefined);
    if (found === undefined) return undefined;
    if (found !== AMBIGUOUS) return found.decimal === undefined ? undefined : { mark: found.decimal, isCertain };
  }
  return undefined;
}

function parse(text: string): Parsed | undefined {
  const groups: Partial<Record<string, string>> | undefined = NUMBER.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const { open, close, digits, none, before: lead = '', after = '' } = groups;
  const before: Partial<Record<string, string>> | undefined = BEFORE.exec(lead)?.groups;
  const [, behind, unit] = /^\s*([-]?)\s*(.*)$/su.exec(after) ?? ['', '', ''];
  if (before === undefined || digits === undefined || (open === undefined) !== (close === undefined)) return undefined;
  const word = unit.trim();
  // `1.200,-` is money without cents.
  const isMoney = before['currency'] !== undefined || none !== undefined || MONEY.test(word);
  const code = [before['currency'], word].find((text) => text !== undefined && /^[A-Z]{3}$/.test(text));
  // Three capitals may be a unit.
  const isGrouped = isMoney && (code === undefined || (CURRENCIES.has(code) && decimalsOf(code) < 3));
  if (word !== '' && (MAGNITUDE.test(word) || !(isMoney || UNIT.test(word)))) return undefined;
  if (before['currency'] !== undefined && MONEY_MAGNITUDE.test(word) && !isCredit(word, before['currency']))
    return undefined;
  const minuses = [before['sign'], before['late'], behind].filter((sign) => sign === '-').length;
  if (minuses > 1 || (minuses === 1 && open !== undefined)) return undefined;
  return { sign: minuses === 1 || open !== undefined ? -1 : 1, digits, isGrouped };
}

/** `$12.00 CR` on a statement of account; behind rupees it is ten million. */
function isCredit(word: string, currency: string): boolean {
  return /^cr/i.test(word) && !/^(?:₹|Rs|INR)/u.test(currency);
}

/** Of a currency: three in Kuwait, none in Japan. */
function decimalsOf(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

function normalised(answer: string): string {
  return bare(answer)
    .replace(/\s/gu, ' ')
    .replace(/[０-９]/gu, (digit) => String(digit.charCodeAt(0) - 0xff10))
    .replace(/[\u2212\uff0d\ufe63]/gu, '-')
    .replace(/^([\s(]*)[\u2010-\u2013]/u, '$1-');
}

function checked(value: number, { kind, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: NumberKind): Reading {
  if (!Number.isFinite(value)) return { problem: 'is no number that JSON can hold' };
  if (kind === 'integer' && !Number.isInteger(value)) return { problem: 'is no whole number' };
  if (minimum !== undefined && value < minimum) return { problem: `is below the minimum of ${minimum}` };
  if (maximum !== undefined && value > maximum) return { problem: `is above the maximum of ${maximum}` };
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    return { problem: `is not above ${exclusiveMinimum}` };
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    return { problem: `is not below ${exclusiveMaximum}` };
  return { value };
}
