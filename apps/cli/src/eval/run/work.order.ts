import { groupBy, isInSplit, type Split } from '@madakv/evaluation';
import { UsageError } from '../../exit.codes.js';
import type { Question } from '../question.js';

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
 * @throws UsageError for a set that does not exist, or when nothing is left
 */
export function workOrder(questions: readonly Question[], { sets, split, limit = Infinity }: Choice): Question[] {
  const bySet = groupBy(questions, ({ set }) => set);
  for (const set of sets ?? []) {
    if (!bySet.has(set)) {
      throw new UsageError(`--sets: there is no set ${JSON.stringify(set)}; there are ${[...bySet.keys()].join(', ')}`);
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
  if (order.length === 0) throw new UsageError(`there are no questions in the half --split ${split}`);
  return order;
}
