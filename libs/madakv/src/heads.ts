/** `none`: every head selects for itself. `mean`, `max`: the heads of a layer share one importance and one selection. */
export type HeadReduction = 'none' | 'mean' | 'max';

/**
 * One importance for all heads of a layer.
 *
 * @param importance `[heads, tokens]`.
 * @param out `[tokens]`.
 * @param headWeights `[heads]` factors; equal where absent.
 */
export function reduceHeads(
  importance: Float32Array,
  heads: number,
  reduction: 'mean' | 'max',
  out: Float32Array,
  headWeights?: ArrayLike<number>,
): void {
  const tokens = out.length;
  out.fill(0);
  for (let head = 0; head < heads; head++) {
    const row = importance.subarray(head * tokens, (head + 1) * tokens);
    const factor = headWeights === undefined ? 1 : headWeights[head];
    if (reduction === 'mean') {
      const share = factor / heads;
      for (let i = 0; i < tokens; i++) out[i] += share * row[i];
    } else {
      for (let i = 0; i < tokens; i++) out[i] = Math.max(out[i], factor * row[i]);
    }
  }
}
