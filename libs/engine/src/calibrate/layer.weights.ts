export interface WeightRule {
  /** Exponent of the mean divergence. */
  readonly power: number;
  /** Share of a layer's value that its two neighbours make up together. */
  readonly smoothing: number;
  /** Least and largest weight; the mean is 1. */
  readonly least: number;
  readonly most: number;
}

/**
 * - power 1/2: a small disturbance d of the logits costs a divergence of order d^2, so its root is proportional to the
 *   disturbance itself, and one layer that matters much does not take the rows of all others.
 * - smoothing 1/2: a few requests measure a single layer badly; neighbours behave alike.
 * - 0.25 to 4: no layer starves on what a few requests said, and none takes all.
 */
export const WEIGHT_RULE: WeightRule = { power: 0.5, smoothing: 0.5, least: 0.25, most: 4 };

export const WEIGHT_FORMULA =
  'weight ~ s(KL^0.5) clamped to 0.25..4, scaled to mean 1; KL: mean divergence of the first answer token’s distribution ' +
  'when only this layer is evicted; s: half the layer’s own value, a quarter each of its neighbours’';

/** Strength, relative to the largest, that every layer has at least. */
const LEAST_STRENGTH = 1e-6;

/**
 * Layer weights out of layer sensitivities: `w_l = clamp(c * s_l, least, most)` with `s = smooth(divergence^power)` and `c`
 * such that the mean of `w` is 1. Without any divergence all layers weigh the same.
 *
 * @param divergences `[layers]` mean divergence (nats, >= 0) that evicting only this layer causes
 * @returns `[layers]` weights of mean 1
 */
export function layerWeights(divergences: readonly number[], rule: WeightRule = WEIGHT_RULE): number[] {
  const strengths = smooth(
    divergences.map((divergence) => Math.max(0, divergence) ** rule.power),
    rule.smoothing,
  );
  const largest = Math.max(...strengths);
  if (!(largest > 0)) return divergences.map(() => 1);
  // Layers without any share what the others may not take.
  const relative = strengths.map((strength) => Math.max(strength / largest, LEAST_STRENGTH));
  const weights = (scale: number): number[] =>
    relative.map((strength) => Math.min(rule.most, Math.max(rule.least, scale * strength)));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  // The mean grows with the scale, up to `most`.
  let [low, high] = [0, rule.most / LEAST_STRENGTH];
  for (let round = 0; round < 200 && high - low > 1e-12 * high; round++) {
    const middle = (low + high) / 2;
    if (mean(weights(middle)) < 1) low = middle;
    else high = middle;
  }
  return weights(high);
}

/** Every value joined with its neighbours; at the ends the value stands in for the neighbour that is not there. */
function smooth(values: readonly number[], share: number): number[] {
  return values.map((value, at) => {
    const before = values[Math.max(0, at - 1)];
    const after = values[Math.min(values.length - 1, at + 1)];
    return (1 - share) * value + (share / 2) * (before + after);
  });
}
