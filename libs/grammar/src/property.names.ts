import {
  literal,
  noneOfCharacters,
  oneOf,
  oneOfCharacters,
  optional,
  quoted,
  repeated,
  sequence,
  type Expression,
  type GrammarText,
} from './grammar.text.js';

const ASCII = Array.from({ length: 0x80 }, (_, code) => code);
/** What a string has as an escape only. */
const isEscaped = (code: number): boolean => code < 0x20 || code === 0x22 || code === 0x5c;
const ESCAPED = ASCII.filter(isEscaped);
/** Whether a name is ever written without an escape. */
const isPlain = (name: string): boolean =>
  !/[\u2028\u2029\p{Surrogate}]/u.test(name) &&
  !Array.from(name).some((character) => isEscaped(character.charCodeAt(0)));

/** Names by their characters. */
interface Branch {
  ends: boolean;
  readonly ways: Map<number, Branch>;
}

/**
 * The name of a property, written without escapes, that is none of these: of a name that comes twice only the last value
 * would count.
 */
export function otherNames(known: readonly string[], grammar: GrammarText): Expression {
  const any = repeated(noneOfCharacters(ESCAPED), 0);
  const after = ({ ends, ways }: Branch): Expression => {
    grammar.addOpenPlaces(1);
    const taken = [...ways.keys()];
    const ascii = taken.filter((code) => code < ASCII.length);
    // No class leaves out a single letter beyond ASCII, so beside one none of the others is let in.
    const first =
      ascii.length < taken.length
        ? oneOfCharacters(ASCII.filter((code) => !isEscaped(code) && !ascii.includes(code)))
        : noneOfCharacters([...ESCAPED, ...ascii]);
    const further = [...ways].map(([code, next]) => {
      return sequence(literal(String.fromCodePoint(code)), grammar.add(after(next)));
    });
    const all = oneOf([sequence(first, any), ...further]);
    return ends ? all : optional(all);
  };
  return quoted(after(tree(known.filter(isPlain))));
}

function tree(names: readonly string[]): Branch {
  const root: Branch = { ends: false, ways: new Map() };
  for (const name of names) {
    let at = root;
    for (const character of name) {
      const code = character.codePointAt(0) ?? 0;
      const next: Branch = at.ways.get(code) ?? { ends: false, ways: new Map() };
      at.ways.set(code, next);
      at = next;
    }
    at.ends = true;
  }
  return root;
}
