import type { ResultRecord, RunRecord } from '../run/run.record.js';
import { isNotStated } from '../scoring/scorers.js';
import { groupBy, type Cluster } from '../statistics/cluster.bootstrap.js';

/** A variant at a ratio: a column of figures. */
export interface MeasuredCell {
  readonly variant: string;
  readonly policy: string;
  readonly ratio: number;
}

/** A question with its answers in all cells. */
export interface MeasuredQuestion {
  readonly set: string;
  readonly document: string;
  readonly promptTokens: number;
  readonly expected: string;
  /** `[cells]` */
  readonly results: readonly ResultRecord[];
  /** False for the questions of an `absent` set whose answer is there: those measure false alarms only. */
  readonly counts: boolean;
}

/** Answers of a run as a rectangle of questions and cells. */
export interface Measured {
  readonly cells: readonly MeasuredCell[];
  readonly questions: readonly MeasuredQuestion[];
  /** Questions left out because some of their answers are not there yet. */
  readonly incomplete: number;
}

/** Arranges results. Only questions with an answer in every cell take part, so that all comparisons are paired. */
export function measuredCells({ settings }: RunRecord, results: readonly ResultRecord[]): Measured {
  const cells = settings.variants.flatMap(({ name, policy, ratios }) =>
    ratios.map((ratio) => ({ variant: name, policy, ratio })),
  );
  const indexOf = new Map(cells.map(({ variant, ratio }, index) => [`${variant} ${ratio}`, index]));
  const byQuestion = groupBy(results, ({ set, id }) => JSON.stringify([set, id]));
  const questions: MeasuredQuestion[] = [];
  for (const records of byQuestion.values()) {
    const ordered: ResultRecord[] = [];
    for (const record of records) {
      const index = indexOf.get(`${record.policy} ${record.ratio}`);
      if (index !== undefined) ordered[index] = record;
    }
    if (Object.keys(ordered).length < cells.length) continue;
    const { set, document, promptTokens, expected } = ordered[0];
    const counts = settings.sets[set].scorer !== 'absent' || isNotStated(expected);
    questions.push({ set, document, promptTokens, expected, results: ordered, counts });
  }
  return { cells, questions, incomplete: byQuestion.size - questions.length };
}

/** Documents with the summed scores of their questions, as the bootstrap takes them. @param cells indices of cells */
export function clustersOf(questions: readonly MeasuredQuestion[], cells: readonly number[]): Cluster[] {
  const counted = questions.filter(({ counts }) => counts);
  return [...groupBy(counted, ({ set, document }) => JSON.stringify([set, document])).values()].map((members) => ({
    stratum: members[0].set,
    questions: members.length,
    scores: cells.map((cell) => members.reduce((sum, { results }) => sum + results[cell].score, 0)),
  }));
}

/** Mean of a figure of the results of one cell; 0 without any. */
export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
