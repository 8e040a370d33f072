export type DecimalMark = '.' | ',';

/** Digits with their marks, read as a number. */
export interface Digits {
  readonly value: number;
  /** The mark before the decimals, where the digits show which one it is. */
  readonly decimal?: DecimalMark;
}

/** More are lost in a double. */
const MOST_DIGITS = 15;

/** One mark before three digits: 1,234 is a thousand and more in one country, one and a quarter in another. */
export const AMBIGUOUS = Symbol('ambiguous');

/**
 * Reads `1,234.56`, `1.234,56`, `1 234,56`, `1'234.56` and `1,23,456.00`.
 * @param grouping what a single mark before three digits is: `true` thousands, a mark the decimal one, undefined not known
 * @returns undefined for digits that are no number, AMBIGUOUS where only `grouping` could tell
 */
export function readDigits(token: string, grouping?: true | DecimalMark): Digits | typeof AMBIGUOUS | undefined {
  if (token.replace(/\D/g, '').replace(/^0+/, '').length > MOST_DIGITS) return undefined;
  const spaced = /^(\d{1,3}(?:([ '’_])\d{3})(?:\2\d{3})*)(?:([.,])(\d+))?$/u.exec(token);
  if (spaced !== null) return number(spaced[1], spaced[4], spaced[3] as DecimalMark | undefined);
  if (!/^\d*(?:[.,]\d+)*$/.test(token) || token === '') return undefined;
  const marks = Array.from(token.replace(/\d/g, '')) as DecimalMark[];
  const last = marks.at(-1);
  if (last === undefined) return number(token);
  const [whole, decimals] = [token.slice(0, token.lastIndexOf(last)), token.slice(token.lastIndexOf(last) + 1)];
  const kinds = new Set(marks).size;
  if (kinds === 2) {
    if (marks.filter((mark) => mark === last).length > 1) return undefined;
    return isGrouped(whole, marks[0]) ? number(whole, decimals, last) : undefined;
  }
  if (marks.length > 1) return isGrouped(token, last) ? number(token, undefined, other(last)) : undefined;
  if (!/^[1-9]\d{0,2}$/.test(whole) || decimals.length !== 3) return number(whole, decimals, last);
  if (grouping === undefined) return AMBIGUOUS;
  return grouping === last ? number(whole, decimals, last) : number(token, undefined, other(last));
}

function number(whole: string, decimals = '0', decimal?: DecimalMark): Digits {
  const value = Number(`${whole.replace(/\D/g, '')}.${decimals}`);
  return decimal === undefined ? { value } : { value, decimal };
}

/** Groups of three; in India of two before the last. */
function isGrouped(digits: string, mark: DecimalMark): boolean {
  const groups = digits.split(mark);
  const [first, ...rest] = groups;
  const last = rest.pop();
  return (
    /^\d{1,3}$/.test(first) &&
    last?.length === 3 &&
    (rest.every(({ length }) => length === 3) || (first.length <= 2 && rest.every(({ length }) => length === 2)))
  );
}

function other(mark: DecimalMark): DecimalMark {
  return mark === '.' ? ',' : '.';
}
