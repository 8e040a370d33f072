import { NUMBER_DIGITS } from './json.text.grammar.js';
import { all, any, maybe, repeat, span, text, type Regular } from './regular.js';

/** Digits before the point of a number that has limits, and after it: together few enough that none is rounded over a limit. */
export const LIMITED_DIGITS = { whole: 9, fraction: 6 } as const;

/** Largest whole number that is written. */
const MOST_INTEGER = 10 ** NUMBER_DIGITS - 1;
const DIGIT = span('0', '9');
const MOST_LIMITED = 10 ** LIMITED_DIGITS.whole - 1;

/** What a number lies between. Absent: no limit. */
export interface NumberLimits {
  readonly least?: number;
  readonly most?: number;
  /** The limit itself is not allowed. */
  readonly aboveLeast: boolean;
  readonly belowMost: boolean;
}

/** @returns a whole number within limits, or undefined where there is none */
export function integerWithin({ least, most, aboveLeast, belowMost }: NumberLimits): Regular | undefined {
  const low = least === undefined ? -MOST_INTEGER : aboveLeast ? Math.floor(least) + 1 : Math.ceil(least);
  const high = most === undefined ? MOST_INTEGER : belowMost ? Math.ceil(most) - 1 : Math.floor(most);
  return signed(Math.max(low, -MOST_INTEGER), Math.min(high, MOST_INTEGER), (from, to) => digitsBetween(from, to));
}

/**
 * @param limits whole numbers
 * @returns a number within limits, or undefined where there is none
 */
export function numberWithin({ least, most, aboveLeast, belowMost }: NumberLimits): Regular | undefined {
  const [low, high] = [Math.max(least ?? -MOST_LIMITED, -MOST_LIMITED), Math.min(most ?? MOST_LIMITED, MOST_LIMITED)];
  const open = { low: aboveLeast && low === least, high: belowMost && high === most };
  const alternatives: Regular[] = [];
  if (low < 0 && low <= high) {
    const from = { value: Math.max(0, -high), open: high <= 0 && open.high };
    const magnitude = magnitudeBetween(from, { value: -low, open: open.low });
    if (magnitude !== undefined) alternatives.push(all(text('-'), magnitude));
  }
  if (high >= 0 && low <= high) {
    const from = { value: Math.max(0, low), open: low >= 0 && open.low };
    const magnitude = magnitudeBetween(from, { value: high, open: open.high });
    if (magnitude !== undefined) alternatives.push(magnitude);
  }
  return alternatives.length === 0 ? undefined : any(...alternatives);
}

interface Bound {
  readonly value: number;
  readonly open: boolean;
}

/** A number without sign between whole ones. */
function magnitudeBetween(from: Bound, to: Bound): Regular | undefined {
  const { fraction } = LIMITED_DIGITS;
  const zeros = maybe(all(text('.'), repeat(text('0'), 1, fraction)));
  if (from.value === to.value) return from.open || to.open ? undefined : all(text(String(to.value)), zeros);
  const digits = maybe(all(text('.'), repeat(DIGIT, 1, fraction)));
  const above = all(text('.'), repeat(DIGIT, 0, fraction - 1), span('1', '9'));
  const alternatives = [all(text(String(from.value)), from.open ? above : digits)];
  if (from.value + 1 <= to.value - 1) alternatives.push(all(digitsBetween(from.value + 1, to.value - 1), digits));
  if (!to.open) alternatives.push(all(text(String(to.value)), zeros));
  return any(...alternatives);
}

function signed(low: number, high: number, between: (from: number, to: number) => Regular): Regular | undefined {
  const alternatives: Regular[] = [];
  if (low < 0 && low <= high) alternatives.push(all(text('-'), between(Math.max(1, -high), -low)));
  if (high >= 0 && low <= high) alternatives.push(between(Math.max(0, low), high));
  return alternatives.length === 0 ? undefined : any(...alternatives);
}

/** Whole numbers from `from` to `to`, both of them included and none below 0, without leading zeros. */
function digitsBetween(from: number, to: number): Regular {
  const alternatives: Regular[] = [];
  for (let low = from; low <= to;) {
    const { length } = String(low);
    const high = Math.min(to, 10 ** length - 1);
    alternatives.push(sameLength(String(low), String(high)));
    low = high + 1;
  }
  return any(...alternatives);
}

/** Digits from `low` to `high`, which are of one length. */
function sameLength(low: string, high: string): Regular {
  const rest = low.length - 1;
  if (/^0*$/.test(low) && /^9*$/.test(high)) return repeat(DIGIT, low.length, low.length);
  if (high.startsWith(low[0])) return all(text(low[0]), sameLength(low.slice(1), high.slice(1)));
  const between = [Number(low[0]) + 1, Number(high[0]) - 1];
  const alternatives = [
    all(text(low[0]), sameLength(low.slice(1), '9'.repeat(rest))),
    all(text(high[0]), sameLength('0'.repeat(rest), high.slice(1))),
  ];
  if (between[0] <= between[1]) {
    alternatives.push(all(span(String(between[0]), String(between[1])), repeat(DIGIT, rest, rest)));
  }
  return any(...alternatives);
}
