import { bins, digits, type Scratch, sortableBits } from './scratch.js';

/**
 * Demand, equation (9) of MadaKV (ACL 2025, arXiv 2506.15724): k_m, the size of the smallest subset of X_m whose psi
 * sums to `theta` times the psi of all of X_m. 0 where nothing carries weight.
 *
 * Radix walk from the highest score down: linear time, no sort; sums are 64-bit.
 *
 * @param scores `[tokens]` psi of one head, finite, >= 0.
 * @param among the positions X_m.
 * @param theta share of the weight, 0 < theta <= 1.
 */
export function demandOf(scores: Float32Array, among: Int32Array, theta: number, scratch: Scratch): number {
  const { counts, sums, members } = scratch;
  const bits = sortableBits(scores);
  let source = among;
  let length = among.length;
  let taken = 0;
  let missing = -1;
  for (const { shift, mask } of digits) {
    counts.fill(0);
    sums.fill(0);
    for (let i = 0; i < length; i++) {
      const position = source[i];
      const bin = (bits[position] >>> shift) & mask;
      counts[bin]++;
      sums[bin] += scores[position];
    }
    if (missing < 0) {
      let weight = 0;
      for (let bin = bins - 1; bin >= 0; bin--) weight += sums[bin];
      if (weight === 0) return 0;
      missing = theta * weight;
    }
    const bin = lastNeeded(counts, sums, missing);
    for (let above = bins - 1; above > bin; above--) {
      taken += counts[above];
      missing -= sums[above];
    }
    let next = 0;
    for (let i = 0; i < length; i++) {
      const position = source[i];
      if (((bits[position] >>> shift) & mask) === bin) members[next++] = position;
    }
    source = members;
    length = next;
  }
  // All that is left has one and the same score.
  const score = scores[source[0]];
  if (score === 0) return taken;
  return taken + Math.min(length, Math.max(0, Math.ceil(missing / score)));
}

/** The highest bin at which the sum from above reaches `missing`; the lowest occupied bin if rounding leaves a rest. */
function lastNeeded(counts: Uint32Array, sums: Float64Array, missing: number): number {
  let lowest = 0;
  let sum = 0;
  for (let bin = bins - 1; bin >= 0; bin--) {
    if (counts[bin] === 0) continue;
    sum += sums[bin];
    lowest = bin;
    if (sum >= missing) return bin;
  }
  return lowest;
}
