import { hasCharacter, type CharacterSet } from './character.set.js';
import type { Regular } from './regular.js';

/** States that an automaton may have, before and after it is made deterministic. */
export const MAX_STATES = 4_000;

/** Stands for every character beyond ASCII that no set of the expression names. */
export const OTHER = -1;

/** A deterministic automaton; its first state is the one it begins in. Every state has a way to an end. */
export type Automaton = readonly State[];

export interface State {
  readonly ends: boolean;
  /** By character, or {@link OTHER}: the next state. */
  readonly ways: ReadonlyMap<number, number>;
}

interface Node {
  readonly empty: number[];
  readonly ways: { readonly set: CharacterSet; readonly to: number }[];
}

/**
 * Thompson's construction, and subsets of it.
 * @param drop characters that cannot be written
 * @param spend told of the steps that it takes, before they are many; may throw
 * @returns undefined for an expression that matches nothing
 * @throws RangeError for one that needs too many states
 */
export function automatonOf(
  expression: Regular,
  drop: (code: number) => boolean,
  spend: (steps: number) => void,
): Automaton | undefined {
  const { nodes, end } = nodesOf(expression);
  spend(nodes.length);
  const found = subsets(nodes, end, drop, spend);
  return withoutDeadEnds(found);
}

/**
 * What two automata both accept.
 * @param ascii one whose characters are of ASCII
 * @param spend told of the steps that it takes, before they are many; may throw
 * @returns undefined where that is nothing
 * @throws RangeError where it needs too many states
 */
export function intersection(
  ascii: Automaton,
  other: Automaton,
  spend: (steps: number) => void,
): Automaton | undefined {
  const numbers = new Map<number, number>();
  const pairs: (readonly [number, number])[] = [];
  const numberOf = (one: number, two: number): number => {
    const key = one * other.length + two;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    if (pairs.length >= MAX_STATES) throw tooLarge();
    numbers.set(key, pairs.length);
    return pairs.push([one, two]) - 1;
  };
  numberOf(0, 0);
  const states: State[] = [];
  for (let i = 0; i < pairs.length; i++) {
    const [one, two] = [ascii[pairs[i][0]], other[pairs[i][1]]];
    spend(one.ways.size);
    const ways = new Map<number, number>();
    for (const [code, to] of one.ways) {
      const beside = two.ways.get(code);
      if (beside !== undefined) ways.set(code, numberOf(to, beside));
    }
    states.push({ ends: one.ends && two.ends, ways });
  }
  return withoutDeadEnds(states);
}

/**
 * A matcher that follows all ways at once: its time is in proportion to the text and the states, whatever the expression.
 * @throws RangeError for an expression that needs too many states
 */
export function matcherOf(expression: Regular): (text: string) => boolean {
  const { nodes, end } = nodesOf(expression);
  return (text) => {
    let at = closure([0], nodes);
    for (const character of text) {
      const code = character.codePointAt(0) ?? 0;
      const next = at.flatMap((node) =>
        nodes[node].ways.flatMap(({ set, to }) => (hasCharacter(set, code) ? [to] : [])),
      );
      if (next.length === 0) return false;
      at = closure(next, nodes);
    }
    return at.includes(end);
  };
}

/** The automaton before it is made deterministic: it begins in the first node and ends in the one that is named. */
function nodesOf(expression: Regular): { readonly nodes: readonly Node[]; readonly end: number } {
  const nodes: Node[] = [];
  const end = build(expression, addNode(nodes), nodes);
  return { nodes, end };
}

function addNode(nodes: Node[]): number {
  if (nodes.length >= MAX_STATES) throw tooLarge();
  return nodes.push({ empty: [], ways: [] }) - 1;
}

/** @returns the node that it ends in */
function build(expression: Regular, from: number, nodes: Node[]): number {
  switch (expression.kind) {
    case 'set': {
      const to = addNode(nodes);
      nodes[from].ways.push({ set: expression.set, to });
      return to;
    }
    case 'all':
      return expression.parts.reduce((at, part) => build(part, at, nodes), from);
    case 'any': {
      const ends = expression.parts.map((part) => {
        const start = addNode(nodes);
        nodes[from].empty.push(start);
        return build(part, start, nodes);
      });
      return joined(ends, nodes);
    }
    case 'repeat': {
      const { part, least, most } = expression;
      let at = from;
      for (let i = 0; i < least; i++) at = build(part, at, nodes);
      if (most === Infinity) {
        const start = joined([at], nodes);
        nodes[build(part, start, nodes)].empty.push(start);
        return joined([start], nodes);
      }
      const ends = [at];
      for (let i = least; i < most; i++) ends.push((at = build(part, at, nodes)));
      return joined(ends, nodes);
    }
  }
}

function joined(ends: readonly number[], nodes: Node[]): number {
  const end = addNode(nodes);
  for (const each of ends) nodes[each].empty.push(end);
  return end;
}

function subsets(
  nodes: readonly Node[],
  end: number,
  drop: (code: number) => boolean,
  spend: (steps: number) => void,
): State[] {
  const numbers = new Map<string, number>();
  const sets: number[][] = [];
  const numberOf = (starts: readonly number[]): number => {
    const set = closure(starts, nodes);
    spend(set.length);
    const key = set.join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    if (sets.length >= MAX_STATES) throw tooLarge();
    numbers.set(key, sets.length);
    return sets.push(set) - 1;
  };
  numberOf([0]);
  const named = namedBeyond(nodes);
  const states: State[] = [];
  for (let i = 0; i < sets.length; i++) {
    const targets = new Map<number, number[]>();
    for (const { set, to } of sets[i].flatMap((node) => nodes[node].ways)) {
      const codes = set.beyond === 'all' ? [...set.ascii, ...named, OTHER] : [...set.ascii, ...set.beyond];
      spend(codes.length);
      for (const code of codes) {
        if (drop(code)) continue;
        const known = targets.get(code);
        if (known === undefined) targets.set(code, [to]);
        else known.push(to);
      }
    }
    const ways = new Map([...targets].map(([code, to]) => [code, numberOf(to)]));
    states.push({ ends: sets[i].includes(end), ways });
  }
  return states;
}

function closure(starts: readonly number[], nodes: readonly Node[]): number[] {
  const found = new Set(starts);
  for (const node of found) for (const next of nodes[node].empty) found.add(next);
  return [...found].sort((a, b) => a - b);
}

/** Characters beyond ASCII that some set names. */
function namedBeyond(nodes: readonly Node[]): ReadonlySet<number> {
  const sets = nodes.flatMap(({ ways }) => ways.map(({ set }) => set.beyond));
  return new Set(sets.flatMap((beyond) => (beyond === 'all' ? [] : [...beyond])));
}

function tooLarge(): RangeError {
  return new RangeError(`is too large: it needs more than ${MAX_STATES} states`);
}

function withoutDeadEnds(states: readonly State[]): Automaton | undefined {
  const before = states.map((): number[] => []);
  states.forEach(({ ways }, from) => {
    for (const to of ways.values()) before[to].push(from);
  });
  const alive = new Set(states.flatMap(({ ends }, i) => (ends ? [i] : [])));
  for (const state of alive) for (const from of before[state]) alive.add(from);
  if (!alive.has(0)) return undefined;
  return states.map(({ ends, ways }) => ({ ends, ways: new Map([...ways].filter(([, to]) => alive.has(to))) }));
}
