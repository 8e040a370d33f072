/**
 * Mean demand of a layer: the mean over heads of sum over m of k_m^{l,h} (9), in rows a head.
 *
 * @param demands `[heads]` rows.
 * @param headWeights `[heads]` calibrated weights; equal where absent.
 */
export function meanDemand(demands: ArrayLike<number>, headWeights?: ArrayLike<number>): number {
  let sum = 0;
  let weight = 0;
  for (let head = 0; head < demands.length; head++) {
    const factor = headWeights === undefined ? 1 : headWeights[head];
    sum += factor * demands[head];
    weight += factor;
  }
  return sum / weight;
}

/**
 * Compensation, equation (10) of MadaKV (ACL 2025, arXiv 2506.15724): K^l = sum over h of (sum over m of k_m^{l,h} -
 * phi^l), averaged over the heads as (11) wants it. Above 0: the layer needed more than its target and later layers
 * pay. Below 0: it saved, and later layers may spend.
 *
 * @param needed mean rows a head the layer needs (or keeps, for rules that let a layer take what it needs).
 * @param target phi^l, rows a head.
 */
export function compensationOf(needed: number, target: number): number {
  return needed - target;
}
