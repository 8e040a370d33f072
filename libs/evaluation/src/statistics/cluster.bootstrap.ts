import { seededRandom } from './random.js';

/** Questions about one document: they share its difficulty, so they are drawn together. */
export interface Cluster {
  /** Strata are kept at their sizes: the set that the questions belong to. */
  readonly stratum: string;
  /** `[cells]` sum of the scores of its questions, one cell for each method that was measured. */
  readonly scores: ArrayLike<number>;
  /** Questions in the document. */
  readonly questions: number;
}

/** An estimate with its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  readonly seed: number;
  /** Resamples. */
  readonly rounds?: number;
  /** Cell that the others are compared with. */
  readonly baseline?: number;
}

/** Of one cell. */
export interface CellEstimate {
  /** Mean over strata of the mean score of a stratum's questions. */
  readonly mean: Estimate;
  /** Mean of this cell minus that of the baseline, within the same resample; absent without a baseline. */
  readonly difference: Estimate | undefined;
}

const DEFAULT_ROUNDS = 2000;

/**
 * 95 % percentile intervals of mean scores, by a paired, stratified cluster bootstrap: every round draws as many documents
 * of each stratum as there are, with replacement, and evaluates all cells on that draw. Differences to the baseline are
 * taken within a round, so what makes a document hard for all methods cancels out.
 *
 * Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), 13.3; clusters as in Davison and Hinkley (1997), 3.8.
 * @returns one estimate a cell, the same for the same seed
 * @throws RangeError without clusters
 */
export function clusterBootstrap(
  clusters: readonly Cluster[],
  cells: number,
  { seed, rounds = DEFAULT_ROUNDS, baseline }: BootstrapOptions,
): CellEstimate[] {
  if (clusters.length === 0) throw new RangeError('there is nothing to resample');
  const strata = [...groupBy(clusters, ({ stratum }) => stratum).values()];
  const observed = strataMean(strata, cells, (stratum) => stratum);
  const random = seededRandom(seed);
  const draws = Array.from({ length: cells }, () => new Float64Array(rounds));
  for (let round = 0; round < rounds; round++) {
    const means = strataMean(strata, cells, (stratum) =>
      stratum.map(() => stratum[Math.floor(random() * stratum.length)]),
    );
    for (let cell = 0; cell < cells; cell++) draws[cell][round] = means[cell];
  }
  return draws.map((drawn, cell) => ({
    mean: estimate(observed[cell], drawn),
    difference:
      baseline === undefined
        ? undefined
        : estimate(
            observed[cell] - observed[baseline],
            drawn.map((mean, round) => mean - draws[baseline][round]),
          ),
  }));
}

/** `[cells]`: every stratum counts the same, every question in it the same. */
function strataMean(
  strata: readonly (readonly Cluster[])[],
  cells: number,
  draw: (stratum: readonly Cluster[]) => readonly Cluster[],
): Float64Array {
  const means = new Float64Array(cells);
  for (const stratum of strata) {
    const sums = new Float64Array(cells);
    let questions = 0;
    for (const cluster of draw(stratum)) {
      questions += cluster.questions;
      for (let cell = 0; cell < cells; cell++) sums[cell] += cluster.scores[cell];
    }
    for (let cell = 0; cell < cells; cell++) means[cell] += sums[cell] / questions / strata.length;
  }
  return means;
}

function estimate(value: number, drawn: Float64Array): Estimate {
  const sorted = drawn.slice().sort();
  return { value, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Linear between the two nearest ranks. @param sorted ascending, not empty */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/** Groups in order of first appearance. */
export function groupBy<T, K>(values: readonly T[], keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
