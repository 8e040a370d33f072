import type { MergePlan } from './policy.js';

/** The rows of one layer before eviction and what is kept of them. */
export interface LayerRowsToMerge {
  /** `[heads, candidates, dim]`. */
  readonly keys: Float32Array;
  /** `[heads, candidates, dim]`. */
  readonly values: Float32Array;
  readonly heads: number;
  /** Rows a head in `keys` and `values`; held-back rows may follow the candidates. */
  readonly candidates: number;
  readonly dim: number;
  /** `[heads, rows]` kept positions, from the layer's selection. */
  readonly kept: Int32Array;
  readonly rows: number;
}

/** `[heads, rows, dim]` each. */
export interface MergedRows {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/**
 * Folds evicted rows into kept ones, LOOK-M (arXiv 2406.18139), section 3.3. Every evicted row e that may be merged goes
 * to the kept row c whose key is nearest by cosine (equal: the lower position), for its key and its value alike. With n
 * rows folded into c:
 *
 * - `averaged`: c' = (c + sum of e) / (n + 1)
 * - `pivotal`: c' = (c + sum of (c + e) / 2) / (n + 1)
 * - `weighted`: c' = (c + sum of cos(e, c) e) / (n + 1)
 *
 * Costs evicted * kept * dim multiplications a head: for comparing policies, not for long prompts.
 */
export function mergeEvicted(layer: LayerRowsToMerge, { method, mergeable }: MergePlan): MergedRows {
  const { heads, candidates, dim, rows } = layer;
  const keys = new Float32Array(heads * rows * dim);
  const values = new Float32Array(heads * rows * dim);
  for (let head = 0; head < heads; head++) {
    const kept = layer.kept.subarray(head * rows, (head + 1) * rows);
    const source = (all: Float32Array): Float32Array =>
      all.subarray(head * candidates * dim, (head + 1) * candidates * dim);
    const target = (all: Float32Array): Float32Array => all.subarray(head * rows * dim, (head + 1) * rows * dim);
    const pairs = nearestKept(source(layer.keys), kept, mergeable, dim);
    fold(source(layer.keys), target(keys), kept, pairs, dim, method);
    fold(source(layer.values), target(values), kept, pairs, dim, method);
  }
  return { keys, values };
}

/** Evicted rows, the kept row each goes to (index into `kept`), and the cosine of their keys. */
interface Pairs {
  readonly evicted: number[];
  readonly nearest: number[];
  readonly cosine: number[];
}

function nearestKept(keys: Float32Array, kept: Int32Array, mergeable: Uint8Array, dim: number): Pairs {
  const pairs: Pairs = { evicted: [], nearest: [], cosine: [] };
  if (kept.length === 0) return pairs;
  const isKept = new Uint8Array(mergeable.length);
  for (const position of kept) isKept[position] = 1;
  const pivots = unitRows(keys, kept, dim);
  for (let position = 0; position < mergeable.length; position++) {
    if (isKept[position] === 1 || mergeable[position] === 0) continue;
    const row = unitRows(keys, Int32Array.of(position), dim);
    let nearest = 0;
    let highest = -Infinity;
    for (let pivot = 0; pivot < kept.length; pivot++) {
      let cosine = 0;
      for (let d = 0; d < dim; d++) cosine += row[d] * pivots[pivot * dim + d];
      if (cosine > highest) [nearest, highest] = [pivot, cosine];
    }
    pairs.evicted.push(position);
    pairs.nearest.push(nearest);
    pairs.cosine.push(highest);
  }
  return pairs;
}

/** `[positions, dim]` rows of length 1; rows of zeros stay so. */
function unitRows(keys: Float32Array, positions: Int32Array, dim: number): Float64Array {
  const unit = new Float64Array(positions.length * dim);
  for (let i = 0; i < positions.length; i++) {
    let square = 0;
    for (let d = 0; d < dim; d++) square += keys[positions[i] * dim + d] ** 2;
    const length = Math.sqrt(square);
    if (length === 0) continue;
    for (let d = 0; d < dim; d++) unit[i * dim + d] = keys[positions[i] * dim + d] / length;
  }
  return unit;
}

function fold(
  source: Float32Array,
  target: Float32Array,
  kept: Int32Array,
  { evicted, nearest, cosine }: Pairs,
  dim: number,
  method: MergePlan['method'],
): void {
  const sums = new Float64Array(kept.length * dim);
  const folded = new Uint32Array(kept.length);
  for (let i = 0; i < kept.length; i++) {
    for (let d = 0; d < dim; d++) sums[i * dim + d] = source[kept[i] * dim + d];
  }
  for (let i = 0; i < evicted.length; i++) {
    const pivot = nearest[i];
    folded[pivot]++;
    for (let d = 0; d < dim; d++) {
      const own = source[evicted[i] * dim + d];
      const base = source[kept[pivot] * dim + d];
      sums[pivot * dim + d] += method === 'pivotal' ? (base + own) / 2 : method === 'weighted' ? cosine[i] * own : own;
    }
  }
  for (let i = 0; i < sums.length; i++) target[i] = sums[i] / (folded[Math.floor(i / dim)] + 1);
}
