/**
 * Shares a total among parts in proportion to their weights, each part within its bounds: the part of every i is
 * `lambda * weights[i]` clamped to `[minima[i], maxima[i]]`, with the lambda at which they sum to `total`.
 *
 * Parts whose bound is hit are fixed in the direction that is violated more, and the rest is shared anew, until no
 * bound is hit. Parts without weight share what no weighted part can take, by the room they have.
 *
 * @param total sum(minima) <= total <= sum(maxima).
 */
export function shareWithin(
  total: number,
  weights: ArrayLike<number>,
  minima: ArrayLike<number>,
  maxima: ArrayLike<number>,
): Float64Array {
  const parts = weights.length;
  const share = new Float64Array(parts);
  const open = new Set(Array.from({ length: parts }, (_, i) => i));
  let left = total;
  while (open.size > 0) {
    const byRoom = sumOver(open, weights) === 0;
    const weightOf = (i: number): number => (byRoom ? maxima[i] - minima[i] : weights[i]);
    const base = byRoom ? left - sumOver(open, minima) : left;
    const weight = [...open].reduce((sum, i) => sum + weightOf(i), 0);
    let tension = 0;
    for (const i of open) {
      const free = (byRoom ? minima[i] : 0) + (weight > 0 ? (base * weightOf(i)) / weight : 0);
      share[i] = Math.min(maxima[i], Math.max(minima[i], free));
      tension += share[i] - free;
    }
    const before = open.size;
    for (const i of open) {
      const raised = share[i] === minima[i];
      const cut = share[i] === maxima[i];
      if ((tension > 0 && raised) || (tension < 0 && cut)) {
        open.delete(i);
        left -= share[i];
      }
    }
    if (open.size === before) break;
  }
  return share;
}

/**
 * Modality-adaptive allocation, equations (7) and (8) of MadaKV (ACL 2025, arXiv 2506.15724):
 * phi_m = phi * w_m / sum of w, in whole rows by largest remainder (equal remainders: the first part), never below a
 * part's floor and never more than it has. The parts sum to `total`.
 *
 * @param total rows to share, a whole number with sum(minima) <= total <= sum(maxima).
 * @param weights `[modalities]` w_m, >= 0.
 * @param minima `[modalities]` whole rows each part gets at least.
 * @param maxima `[modalities]` whole rows each part can take, |X_m|.
 */
export function apportion(
  total: number,
  weights: ArrayLike<number>,
  minima: ArrayLike<number>,
  maxima: ArrayLike<number>,
): Int32Array {
  const share = shareWithin(total, weights, minima, maxima);
  const rows = Int32Array.from(share, Math.floor);
  const order = Array.from(share, (_, i) => i).sort((a, b) => share[b] - rows[b] - (share[a] - rows[a]) || a - b);
  const left = total - rows.reduce((sum, part) => sum + part, 0);
  // A part at its maximum has no remainder, and no more rows are left than parts with one.
  for (const i of order.slice(0, left)) rows[i]++;
  return rows;
}

function sumOver(parts: Iterable<number>, values: ArrayLike<number>): number {
  let sum = 0;
  for (const i of parts) sum += values[i];
  return sum;
}
