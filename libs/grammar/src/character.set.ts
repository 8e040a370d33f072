const ASCII = Array.from({ length: 0x80 }, (_, code) => code);
/** Characters beyond ASCII that a range may name one by one. */
const MOST_BEYOND = 512;

/** Some characters, or all but these. */
interface Characters {
  readonly codes: ReadonlySet<number>;
  readonly isNegated: boolean;
}

/** Characters of a regular expression: what of ASCII, and what beyond it. */
export interface CharacterSet {
  readonly ascii: ReadonlySet<number>;
  /** `all` of them, or these: as far as a grammar can say it, which leaves out no single letter beyond ASCII. Never more than there are. */
  readonly beyond: 'all' | ReadonlySet<number>;
  /** Those beyond ASCII, without a grammar's limits. */
  readonly exactly: Characters;
}

const NONE: ReadonlySet<number> = new Set();
/** Separators of lines and paragraphs, which are kept out of every answer. */
const SEPARATORS: ReadonlySet<number> = new Set([0x2028, 0x2029]);
/** White space beyond ASCII (ECMA-262). */
const SPACES: ReadonlySet<number> = new Set(
  Array.from({ length: 0xff80 }, (_, i) => 0x80 + i).filter((code) => /\s/.test(String.fromCharCode(code))),
);
const only = (codes: ReadonlySet<number>): Characters => ({ codes, isNegated: false });
const allBut = (codes: ReadonlySet<number>): Characters => ({ codes, isNegated: true });
const codes = (pattern: RegExp): Set<number> =>
  new Set(ASCII.filter((code) => pattern.test(String.fromCharCode(code))));
const set = (ascii: ReadonlySet<number>, exactly: Characters = only(NONE)): CharacterSet => {
  const { codes: named, isNegated } = exactly;
  // What is never written need not be left out.
  const isAll = isNegated && [...named].every((code) => SEPARATORS.has(code));
  return { ascii, beyond: isAll ? 'all' : isNegated ? NONE : named, exactly };
};

export const characterSet = {
  any: (): CharacterSet => set(codes(/[^\n\r]/), allBut(SEPARATORS)),
  digit: (negate: boolean): CharacterSet => (negate ? set(codes(/\D/), allBut(NONE)) : set(codes(/\d/))),
  word: (negate: boolean): CharacterSet => (negate ? set(codes(/\W/), allBut(NONE)) : set(codes(/\w/))),
  /** A grammar writes no white space beyond ASCII: each would be a letter more that may come next. */
  space: (negate: boolean): CharacterSet =>
    negate ? set(codes(/\S/), allBut(SPACES)) : { ...set(codes(/\s/), only(SPACES)), beyond: NONE },
  /** @throws RangeError for too many characters beyond ASCII, or halves of surrogate pairs */
  span(from: number, to: number): CharacterSet {
    const ascii = new Set(ASCII.filter((code) => code >= from && code <= to));
    const first = Math.max(from, 0x80);
    const count = to - first + 1;
    if (count > MOST_BEYOND) throw new RangeError(`has a range of more than ${MOST_BEYOND} characters beyond ASCII`);
    const beyond = Array.from({ length: Math.max(0, count) }, (_, i) => first + i);
    if (beyond.some((code) => code >= 0xd800 && code <= 0xdfff)) throw new RangeError('has half of a surrogate pair');
    return set(ascii, only(new Set(beyond)));
  },
} as const;

export function union(sets: readonly CharacterSet[]): CharacterSet {
  const ascii = new Set(sets.flatMap((each) => [...each.ascii]));
  const joint = set(ascii, sets.map(({ exactly }) => exactly).reduce(either, only(NONE)));
  const parts = sets.map(({ beyond }) => beyond);
  if (joint.beyond === 'all' || parts.includes('all')) return { ...joint, beyond: 'all' };
  return { ...joint, beyond: new Set(parts.flatMap((beyond) => (beyond === 'all' ? [] : [...beyond]))) };
}

/** All other characters. */
export function complement({ ascii, exactly: { codes: named, isNegated } }: CharacterSet): CharacterSet {
  const others = ASCII.filter((code) => !ascii.has(code));
  return set(new Set(others), { codes: named, isNegated: !isNegated });
}

export function hasCharacter({ ascii, exactly: { codes: named, isNegated } }: CharacterSet, code: number): boolean {
  return code < 0x80 ? ascii.has(code) : named.has(code) !== isNegated;
}

function either(a: Characters, b: Characters): Characters {
  if (!a.isNegated && !b.isNegated) return only(new Set([...a.codes, ...b.codes]));
  if (a.isNegated && b.isNegated) return allBut(new Set([...a.codes].filter((code) => b.codes.has(code))));
  const [some, others] = a.isNegated ? [b.codes, a.codes] : [a.codes, b.codes];
  return allBut(new Set([...others].filter((code) => !some.has(code))));
}
