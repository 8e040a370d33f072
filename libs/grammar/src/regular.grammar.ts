import {
  EMPTY,
  literal,
  noneOfCharacters,
  oneOf,
  oneOfCharacters,
  sequence,
  type Expression,
  type GrammarText,
} from './grammar.text.js';
import { automatonOf, intersection, OTHER, type Automaton, type State } from './regular.automaton.js';
import type { Regular } from './regular.js';

const ASCII = Array.from({ length: 0x80 }, (_, code) => code);
/** Letters that may come next in a place that counts as open: more than there are digits. */
const OPEN = 10;
/** What stands behind a backslash in a JSON string. */
const ESCAPES = new Map(
  Array.from('"\\\b\f\n\r\t', (character) => [character.charCodeAt(0), JSON.stringify(character)[2]] as const),
);

/** Other control characters, and the separators of lines and paragraphs, which are never written. */
const isUnwritten = (code: number): boolean =>
  (code >= 0 && code < 0x20 && !ESCAPES.has(code)) || code === 0x2028 || code === 0x2029;

/**
 * A regular expression, escaped as in a JSON string, as a rule for each state of its automaton: no two ways out of a rule
 * begin alike. xgrammar makes automata of its own from alternatives, and merges too many states where they do.
 * @param within an expression of ASCII alone, which the string has to match, too
 * @returns undefined where there is nothing that it matches
 * @throws RangeError for an expression that is too large
 */
export function regularExpression(expression: Regular, grammar: GrammarText, within?: Regular): Expression | undefined {
  const spend = (steps: number): void => {
    grammar.spend(steps);
  };
  const automatonFor = (each: Regular): Automaton | undefined => automatonOf(each, isUnwritten, spend);
  const [own, outer] = [automatonFor(expression), within === undefined ? undefined : automatonFor(within)];
  const automaton = own === undefined || outer === undefined ? own : intersection(outer, own, spend);
  if (automaton === undefined) return undefined;
  const rules = new Map<number, Expression>();
  const open = [0];
  const ruleOf = (state: number): Expression => {
    const known = rules.get(state);
    if (known !== undefined) return known;
    const rule = grammar.reserve();
    rules.set(state, rule);
    open.push(state);
    return rule;
  };
  const first = ruleOf(open.pop() ?? 0);
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    grammar.define(
      rules.get(state) ?? first,
      bodyOf(automaton[state], grammar, (to) => (isLast(automaton[to]) ? EMPTY : ruleOf(to))),
    );
  }
  return first;
}

function isLast({ ends, ways }: State): boolean {
  return ends && ways.size === 0;
}

function bodyOf({ ends, ways }: State, grammar: GrammarText, ruleOf: (to: number) => Expression): Expression {
  const targets = new Map<number, number[]>();
  for (const [code, to] of ways) targets.set(to, [...(targets.get(to) ?? []), code]);
  const alternatives: Expression[] = ends ? [EMPTY] : [];
  const escaped: Expression[] = [];
  for (const [to, codes] of targets) {
    const rest = ruleOf(to);
    if (codes.length > OPEN) grammar.addOpenPlaces(1);
    const plain = codes.filter((code) => code >= 0 && code < ASCII.length && !ESCAPES.has(code));
    if (codes.includes(OTHER)) {
      // Letters that are named have a way of their own as well, which leads no less far.
      alternatives.push(sequence(noneOfCharacters(ASCII.filter((code) => !plain.includes(code))), rest));
    } else if (plain.length > 0) {
      alternatives.push(sequence(oneOfCharacters(plain), rest));
    }
    for (const code of codes)
      if (code >= ASCII.length) alternatives.push(sequence(literal(String.fromCodePoint(code)), rest));
    const behind = codes.flatMap((code) => ESCAPES.get(code)?.charCodeAt(0) ?? []);
    if (behind.length > 0) escaped.push(sequence(oneOfCharacters(behind), rest));
  }
  if (escaped.length > 0) alternatives.push(sequence(literal('\\'), oneOf(escaped)));
  return oneOf(alternatives);
}
