import { milebenchScorers } from './milebench.js';
import { rougeL } from './rouge.js';

/** What a reader says when what was asked is not in the document. */
export const NOT_STATED = 'not stated';

/** Judges an answer. @param choices what there was to choose from. @returns 0..1 */
export type Scorer = (answer: string, expected: string, choices: readonly string[]) => number;

/** Ways to judge an answer. Every one returns a score from 0 to 1. */
export const scorers = {
  /** The same text, blanks around it aside. */
  exact: (answer: string, expected: string): number => Number(answer.trim() === expected.trim()),
  /** The expected text lies within the answer; case counts. */
  contains: (answer: string, expected: string): number => Number(answer.includes(expected.trim())),
  'rouge-l': rougeL,
  /** The first word of the answer is the expected yes or no, whatever its case. */
  'yes-no': (answer: string, expected: string): number => Number(firstWord(answer) === firstWord(expected)),
  /**
   * Exact match on a set that asks for what is not there. The set's accuracy is over those questions; the others, whose
   * answer is there, measure false alarms.
   */
  absent: (answer: string, expected: string): number =>
    isNotStated(expected) ? Number(isNotStated(answer)) : Number(answer.trim() === expected.trim()),
  ...milebenchScorers,
} as const satisfies Record<string, Scorer>;

export type ScorerName = keyof typeof scorers;

export const scorerNames = Object.keys(scorers) as readonly ScorerName[];

/** Whether an answer says that there is none: case and a full stop do not count. */
export function isNotStated(answer: string): boolean {
  return answer.trim().replace(/\.$/, '').toLowerCase() === NOT_STATED;
}

/** An answer "not stated" to a question whose answer is there. */
export function isFalseAlarm(answer: string, expected: string): boolean {
  return isNotStated(answer) && !isNotStated(expected);
}

function firstWord(text: string): string {
  return /[\p{L}\p{N}]+/u.exec(text)?.[0].toLowerCase() ?? '';
}
