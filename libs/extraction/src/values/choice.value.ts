import type { ChoiceKind } from '../extraction.plan.js';
import { readNumber } from './number.value.js';
import { bare, isProblem, plain, type Reading } from './reading.js';

/** Letters for each that may be wrong. */
const LETTERS_AN_ERROR = 5;

/** Words that turn what stands beside them into its opposite. */
const NEGATIONS: ReadonlySet<string> = new Set(
  'not no non never nicht kein keine nie pas ne sin sans ohne without niet nej nao'.split(' '),
);

/**
 * The value of an enum that an answer means: the same but for case and marks, else the only one that it has in it or is a
 * part of, else the only one that is nearest, with at most one wrong letter in five. Numbers are not near to one another: one is
 * meant where the answer is that number. What is denied is not meant.
 */
export function readChoice(answer: string, { values }: ChoiceKind): Reading {
  const said = plain(bare(answer));
  const known = values.map((value) => ({ value, name: plain(String(value)), text: String(value) }));
  const texts = known.filter(({ value }) => typeof value !== 'number');
  const number = readNumber(answer, { kind: 'number' });
  const found = [
    known.filter(({ text }) => text === bare(answer)),
    isProblem(number) ? [] : known.filter(({ value }) => value === number.value),
    texts.filter(({ name }) => name === said),
    texts.filter(({ name }) => (hasWords(said, name) && !isDenied(said, name)) || hasWords(name, said)),
    nearest(said, texts),
  ].find(({ length }) => length > 0);
  if (found?.length === 1) return { value: found[0].value };
  return {
    problem: found === undefined ? 'is none of the values of the enum' : 'is more than one of the values of the enum',
  };
}

/** Whether an answer is one of the values as it stands. */
export function isChoice(answer: string, { values }: ChoiceKind): boolean {
  const said = plain(bare(answer));
  return values.some((value) => String(value) === bare(answer) || (said !== '' && plain(String(value)) === said));
}

/** Whether the answer has a word of denial that the value has not. */
function isDenied(said: string, name: string): boolean {
  const own = new Set(name.split(' '));
  return said.split(' ').some((word) => NEGATIONS.has(word) && !own.has(word));
}

function hasWords(text: string, part: string): boolean {
  return part !== '' && ` ${text} `.includes(` ${part} `);
}

/** The values with the fewest wrong letters, where these are few enough and no digits. */
function nearest<T extends { readonly name: string }>(said: string, known: readonly T[]): T[] {
  const near = known.flatMap((each) => {
    const most = Math.floor(each.name.length / LETTERS_AN_ERROR);
    // Their lengths tell most of them apart.
    const isFar = Math.abs(said.length - each.name.length) > most || digitsOf(said) !== digitsOf(each.name);
    const distance = isFar ? Infinity : editDistance(said, each.name);
    return distance > most ? [] : [{ each, distance }];
  });
  const least = Math.min(...near.map(({ distance }) => distance));
  return near.flatMap(({ each, distance }) => (distance === least ? [each] : []));
}

function digitsOf(text: string): string {
  return (text.match(/\p{N}+/gu) ?? []).join(' ');
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
