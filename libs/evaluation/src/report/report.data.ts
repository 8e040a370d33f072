import type { ResultRecord, RunRecord } from '../run/run.record.js';
import { isFalseAlarm, isNotStated } from '../scoring/scorers.js';
import { clusterBootstrap, groupBy, type Estimate } from '../statistics/cluster.bootstrap.js';
import { clustersOf, meanOf, measuredCells, type Measured, type MeasuredQuestion } from './measured.cells.js';

/** What a report says of a variant at a ratio. Accuracies are shares from 0 to 1. */
export interface CellReport {
  readonly variant: string;
  readonly policy: string;
  readonly ratio: number;
  /** Mean over sets. */
  readonly accuracy: Estimate;
  /** Minus the full cache, question by question; absent where the full cache was not measured. */
  readonly toFull: Estimate | undefined;
  readonly sets: Readonly<Record<string, Estimate>>;
  /** By set of scorer `absent`: share of "not stated" for what is there. */
  readonly falseAlarms: Readonly<Record<string, number>>;
  /** Bytes kept over bytes of the full cache. */
  readonly keptShare: number;
  /** Questions the policy refused at this ratio; they count as wrong. */
  readonly refused: number;
  readonly meanMs: number;
  /** By length of the prompt. */
  readonly lengths: readonly LengthFigure[];
  /** `[layers]` rows kept a head, as a share of the prompt. */
  readonly rowShares: readonly number[];
  /** `[layers][heads]` share of the attention that went to text; by set, and of all. */
  readonly textPreference: readonly (readonly number[])[];
  readonly textPreferenceBySet: Readonly<Record<string, readonly (readonly number[])[]>>;
}

export interface LengthFigure {
  /** Prompt tokens, `[from, to)`. */
  readonly from: number;
  readonly to: number;
  readonly meanTokens: number;
  readonly questions: number;
  readonly accuracy: number;
}

/** One variant against another at one ratio, question by question. */
export interface Comparison {
  readonly variant: string;
  readonly baseline: string;
  readonly ratio: number;
  readonly difference: Estimate;
}

export interface EvalReport {
  readonly run: RunRecord;
  readonly questions: {
    readonly planned: number;
    readonly complete: number;
    readonly incomplete: number;
    /** That count for accuracy, by set. */
    readonly bySet: Readonly<Record<string, number>>;
    readonly documents: number;
  };
  readonly cells: readonly CellReport[];
  /** `madakv` minus each other variant, by ratio. */
  readonly comparisons: readonly Comparison[];
}

/** Bounds of the bins by prompt length, in tokens. */
const LENGTHS = [0, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, Infinity];

/** Variant that the others are compared with. */
export const OURS = 'madakv';

/** @returns undefined while no question that counts for accuracy has all of its answers */
export function reportData(run: RunRecord, results: readonly ResultRecord[]): EvalReport | undefined {
  const measured = measuredCells(run, results);
  const { cells, questions, incomplete } = measured;
  const counted = questions.filter(({ counts }) => counts);
  if (counted.length === 0) return undefined;
  const all = cells.map((_, index) => index);
  const full = cells.findIndex(({ policy, ratio }) => policy === 'full' && ratio === 1);
  const options = { seed: run.settings.seed, ...(full === -1 ? {} : { baseline: full }) };
  const overall = clusterBootstrap(clustersOf(questions, all), cells.length, options);
  const sets = [...groupBy(questions, ({ set }) => set)];
  const bySet = sets.filter(([, members]) => members.some(({ counts }) => counts));
  const setEstimates = bySet.map(([set, members]) => ({
    set,
    estimates: clusterBootstrap(clustersOf(members, all), cells.length, options),
  }));
  return {
    run,
    questions: {
      planned: Object.values(run.settings.sets).reduce((sum, set) => sum + set.questions, 0),
      complete: questions.length,
      incomplete,
      bySet: Object.fromEntries(bySet.map(([set, members]) => [set, members.filter(({ counts }) => counts).length])),
      documents: new Set(questions.map(({ document }) => document)).size,
    },
    cells: cells.map((cell, index) => ({
      ...cell,
      accuracy: overall[index].mean,
      toFull: overall[index].difference,
      sets: Object.fromEntries(setEstimates.map(({ set, estimates }) => [set, estimates[index].mean])),
      falseAlarms: falseAlarms(run, sets, index),
      ...cacheFigures(questions, index),
      lengths: lengthFigures(counted, index),
      textPreference: meanMatrix(questions.map(({ results: own }) => own[index].text)),
      textPreferenceBySet: Object.fromEntries(
        bySet.map(([set, members]) => [set, meanMatrix(members.map(({ results: own }) => own[index].text))]),
      ),
    })),
    comparisons: comparisons(measured, run.settings.seed),
  };
}

function falseAlarms(
  { settings }: RunRecord,
  bySet: readonly (readonly [string, readonly MeasuredQuestion[]])[],
  cell: number,
): Record<string, number> {
  return Object.fromEntries(
    bySet.flatMap(([set, members]) => {
      const present = members.filter(({ expected }) => !isNotStated(expected));
      if (settings.sets[set].scorer !== 'absent' || present.length === 0) return [];
      const alarms = present.filter(({ results, expected }) => isFalseAlarm(results[cell].answer ?? '', expected));
      return [[set, alarms.length / present.length]];
    }),
  );
}

function cacheFigures(
  questions: readonly MeasuredQuestion[],
  cell: number,
): Pick<CellReport, 'keptShare' | 'refused' | 'meanMs' | 'rowShares'> {
  const results = questions.map(({ results: own }) => own[cell]);
  const given = results.filter(({ finish }) => finish !== 'refused');
  const sum = (of: (result: ResultRecord) => number): number => given.reduce((total, result) => total + of(result), 0);
  const layers = given.at(0)?.rows.length ?? 0;
  return {
    keptShare: given.length === 0 ? 0 : sum(({ keptBytes }) => keptBytes) / sum(({ fullBytes }) => fullBytes),
    refused: results.length - given.length,
    meanMs: meanOf(given.map(({ ms }) => ms)),
    rowShares: Array.from({ length: layers }, (_, layer) =>
      meanOf(given.map(({ rows, promptTokens }) => rows[layer] / promptTokens)),
    ),
  };
}

function lengthFigures(questions: readonly MeasuredQuestion[], cell: number): LengthFigure[] {
  return LENGTHS.slice(0, -1).flatMap((from, i) => {
    const to = LENGTHS[i + 1];
    const members = questions.filter(({ promptTokens }) => promptTokens >= from && promptTokens < to);
    if (members.length === 0) return [];
    return {
      from,
      to,
      meanTokens: meanOf(members.map(({ promptTokens }) => promptTokens)),
      questions: members.length,
      accuracy: meanOf(members.map(({ results }) => results[cell].score)),
    };
  });
}

/** Entry by entry, of those that have any. */
function meanMatrix(matrices: readonly (readonly (readonly number[])[])[]): number[][] {
  const present = matrices.filter(({ length }) => length > 0);
  if (present.length === 0) return [];
  return present[0].map((row, i) => row.map((_, j) => meanOf(present.map((matrix) => matrix[i][j]))));
}

function comparisons({ cells, questions }: Measured, seed: number): Comparison[] {
  const ratios = [...new Set(cells.map(({ ratio }) => ratio))].sort((a, b) => a - b);
  return ratios.flatMap((ratio) => {
    const among = cells.flatMap((cell, index) => (cell.ratio === ratio ? [index] : []));
    const ours = among.findIndex((index) => cells[index].variant === OURS);
    if (ours === -1 || among.length < 2) return [];
    return among.flatMap((index, i) => {
      if (i === ours) return [];
      // The other one is the baseline: what comes out is ours minus theirs.
      const pair = clusterBootstrap(clustersOf(questions, [among[ours], index]), 2, { seed, baseline: 1 });
      const { difference } = pair[0];
      if (difference === undefined) return [];
      return { variant: OURS, baseline: cells[index].variant, ratio, difference };
    });
  });
}
