import { EMPTY, literal, oneOf, sequence, type Expression } from './grammar.text.js';

/** One of these texts, what they begin with in common written once. */
export function oneOfTexts(texts: readonly string[]): Expression {
  const sorted = [...new Set(texts)].sort();
  const common = sharedStart(sorted[0], sorted[sorted.length - 1]);
  const rests = sorted.map((text) => text.slice(common.length));
  const groups = new Map<string, string[]>();
  for (const rest of rests) {
    const [first = ''] = rest;
    groups.set(first, [...(groups.get(first) ?? []), rest]);
  }
  const branches = [...groups].map(([first, group]) => (first === '' ? EMPTY : oneOfTexts(group)));
  return sequence(common === '' ? EMPTY : literal(common), oneOf(branches));
}

/** What two texts begin with, no half of a surrogate pair at its end. */
function sharedStart(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return /[\ud800-\udbff]$/.test(a.slice(0, length)) ? a.slice(0, length - 1) : a.slice(0, length);
}
