import { describe, expect, it } from 'vitest';
import { EvaluationError } from '../evaluation.error.js';
import type { Question } from '../question.js';
import { workOrder } from './work.order.js';

const question = (set: string, document: string, id: string): Question => ({
  set,
  document,
  id,
  expected: '',
  messages: [],
  maxTokens: 1,
  source: { name: '', folder: '' },
});

const questions = [
  question('a', 'p', 'a1'),
  question('a', 'q', 'a2'),
  question('a', 'p', 'a3'),
  question('b', 'r', 'b1'),
  question('b', 's', 'b2'),
];
const ids = (chosen: readonly Question[]): string[] => chosen.map(({ id }) => id);

describe('workOrder', () => {
  it('keeps a document together and lets sets take turns', () => {
    expect(ids(workOrder(questions, { split: 'all' }))).toEqual(['a1', 'a3', 'b1', 'a2', 'b2']);
  });

  it('limits every set', () => {
    expect(ids(workOrder(questions, { split: 'all', limit: 1 }))).toEqual(['a1', 'b1']);
  });

  it('splits by document, without a question in both halves', () => {
    const tuned = ids(workOrder(questions, { split: 'tune' }));
    const reported = ids(workOrder(questions, { split: 'report' }));
    expect([...tuned, ...reported].sort()).toEqual(['a1', 'a2', 'a3', 'b1', 'b2']);
    expect(tuned.includes('a1')).toBe(tuned.includes('a3'));
  });

  it('is empty where a half has no questions', () => {
    const [only] = questions;
    const halves = (['tune', 'report'] as const).map((split) => workOrder([only], { split }));
    expect(halves.map(({ length }) => length).sort()).toEqual([0, 1]);
  });

  it('names the sets there are', () => {
    expect(() => workOrder(questions, { split: 'all', sets: ['c'] })).toThrow(
      new EvaluationError('unknown_set', 'there is no set "c"; there are a, b'),
    );
  });
});
