import { EvaluationError } from '../evaluation.error.js';
import type { Question } from '../question.js';
import { isInSplit, type Split } from '../split.js';
import { groupBy } from '../statistics/cluster.bootstrap.js';

export interface Choice {
  /** All sets where left out. */
  readonly sets?: readonly string[];
  readonly split: Split;
  /** Most questions of each set. */
  readonly limit?: number;
}

/**
 * Questions that take part, in the order they are answered. Those about one document follow each other, so that its pages
 * are read once; the sets take turns document by document, so that a run that stops early has seen something of each.
 * @returns none where the data have none in the half
 * @throws EvaluationError for a set that does not exist
 */
export function workOrder(questions: readonly Question[], { sets, split, limit = Infinity }: Choice): Question[] {
  const bySet = groupBy(questions, ({ set }) => set);
  for (const set of sets ?? []) {
    if (!bySet.has(set)) {
      const names = [...bySet.keys()].join(', ');
      throw new EvaluationError('unknown_set', `there is no set ${JSON.stringify(set)}; there are ${names}`);
    }
  }
  const chosen = [...bySet]
    .filter(([set]) => sets?.includes(set) ?? true)
    .map(([, members]) => {
      const taken = members.filter(({ document }) => isInSplit(document, split)).slice(0, limit);
      return [...groupBy(taken, ({ document }) => document).values()];
    });
  const order: Question[] = [];
  const longest = Math.max(0, ...chosen.map((documents) => documents.length));
  for (let turn = 0; turn < longest; turn++) {
    for (const documents of chosen) if (turn < documents.length) order.push(...documents[turn]);
  }
  return order;
}
