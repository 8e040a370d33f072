const ASCII = Array.from({ length: 0x80 }, (_, code) => code);
/** Characters beyond ASCII that a range may name one by one. */
const MOST_BEYOND = 512;

/** Characters of a regular expression: what of ASCII, and what beyond it. */
export interface CharacterSet {
  readonly ascii: ReadonlySet<number>;
  /** `all` of them, or these. */
  readonly beyond: 'all' | ReadonlySet<number>;
  /** It has left out some beyond ASCII that belong to it: what it does not have is not known. */
  readonly narrowed: boolean;
}

const NONE: ReadonlySet<number> = new Set();
const codes = (pattern: RegExp): Set<number> =>
  new Set(ASCII.filter((code) => pattern.test(String.fromCharCode(code))));
const set = (ascii: ReadonlySet<number>, beyond: CharacterSet['beyond'] = NONE, narrowed = false): CharacterSet => ({
  ascii,
  beyond,
  narrowed,
});

export const characterSet = {
  /** `.`: the separators U+2028 and U+2029, which it has not either, are kept out of every answer. */
  any: (): CharacterSet => set(codes(/[^\n\r]/), 'all', true),
  digit: (negate: boolean): CharacterSet => (negate ? set(codes(/\D/), 'all') : set(codes(/\d/))),
  word: (negate: boolean): CharacterSet => (negate ? set(codes(/\W/), 'all') : set(codes(/\w/))),
  /** White space beyond ASCII is left to neither. */
  space: (negate: boolean): CharacterSet => set(codes(negate ? /\S/ : /\s/), NONE, true),
  /** @throws RangeError for too many characters beyond ASCII, or halves of surrogate pairs */
  span(from: number, to: number): CharacterSet {
    const ascii = new Set(ASCII.filter((code) => code >= from && code <= to));
    const first = Math.max(from, 0x80);
    const count = to - first + 1;
    if (count > MOST_BEYOND) throw new RangeError(`has a range of more than ${MOST_BEYOND} characters beyond ASCII`);
    const beyond = Array.from({ length: Math.max(0, count) }, (_, i) => first + i);
    if (beyond.some((code) => code >= 0xd800 && code <= 0xdfff)) throw new RangeError('has half of a surrogate pair');
    return set(ascii, new Set(beyond));
  },
} as const;

export function union(sets: readonly CharacterSet[]): CharacterSet {
  const all = sets.some(({ beyond }) => beyond === 'all');
  return {
    ascii: new Set(sets.flatMap(({ ascii }) => [...ascii])),
    beyond: all ? 'all' : new Set(sets.flatMap(({ beyond }) => (beyond === 'all' ? [] : [...beyond]))),
    narrowed: sets.some(({ narrowed }) => narrowed),
  };
}

/** All other characters; of those beyond ASCII none where the set has some of them, or may have. */
export function complement({ ascii, beyond, narrowed }: CharacterSet): CharacterSet {
  const exact = !narrowed && beyond !== 'all' && beyond.size === 0;
  const whole = !narrowed && beyond === 'all';
  return set(new Set(ASCII.filter((code) => !ascii.has(code))), exact ? 'all' : NONE, !exact && !whole);
}
