import type { NumberKind, ScalarKind } from './extraction.plan.js';
import { isAbsent } from './values/absent.answer.js';
import { readBoolean } from './values/boolean.value.js';
import { isChoice, readChoice } from './values/choice.value.js';
import type { DecimalMark } from './values/digits.js';
import { decimalMarkIn, readNumber } from './values/number.value.js';
import { bare, isProblem, type Reading } from './values/reading.js';
import { readText } from './values/text.value.js';

/** What the numbers of a document have in common. */
export interface Notation {
  readonly decimal?: DecimalMark;
}

/** Dashes that stand where nothing does. */
const DASHES = /^[-\u2010-\u2015\u2212/.]+$/u;

/** An answer as what it should be; null where it says that there is nothing. */
export function readScalar(answer: string, kind: ScalarKind, { decimal }: Notation): Reading {
  const text = bare(answer);
  // `Yes, but the date is not stated.` is an answer, and so is a choice that reads like none.
  if (kind.kind === 'boolean' && !isProblem(readBoolean(answer))) return readBoolean(answer);
  const chosen = kind.kind === 'choice' && isChoice(text, kind);
  if (!chosen && (DASHES.test(text) || isAbsent(text))) return { value: null };
  switch (kind.kind) {
    case 'text':
      return readText(answer, kind);
    case 'number':
    case 'integer':
      return readNumber(answer, kind, decimal);
    case 'boolean':
      return readBoolean(answer);
    case 'choice':
      return readChoice(answer, kind);
  }
}

/** The decimal mark of a document, where its numbers show one and the same; what is beyond doubt goes first. */
export function notationOf(numbers: readonly { readonly answer: string; readonly kind: NumberKind }[]): Notation {
  const shown = numbers.flatMap(({ answer, kind }) => decimalMarkIn(answer, kind) ?? []);
  const certain = shown.filter(({ isCertain }) => isCertain);
  const marks = new Set((certain.length > 0 ? certain : shown).map(({ mark }) => mark));
  return marks.size === 1 ? { decimal: [...marks][0] } : {};
}
