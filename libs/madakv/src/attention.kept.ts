import type { LayerSelection, PromptLayout } from './policy.js';

/**
 * How much of the observed attention eviction leaves, by head: over a head's kept positions K and all candidates C,
 *
 *     sum of psi[i] over i in K  /  sum of psi[i] over i in C
 *
 * psi is the importance that the selection was made of, before pooling: the attention of the queries that the policy observes, weighted and
 * joined over the query heads of a group as it asked. Of a policy that observes the question it is the share of the question's attention that
 * still finds its row. Held-back tokens are no candidates: their rows are there in any case, and eviction decides nothing about them.
 *
 * @param importance `[heads, tokens]` psi, finite and not negative
 * @param selection of the same layer
 * @returns `[heads]` shares from 0 to 1; 1 where a head has no attention to lose
 */
export function attentionKept(
  importance: Float32Array,
  { rows, kept }: Pick<LayerSelection, 'rows' | 'kept'>,
  { tokens, heldBack }: Pick<PromptLayout, 'tokens' | 'heldBack'>,
): Float64Array {
  return Float64Array.from({ length: importance.length / tokens }, (_, head) => {
    const first = head * tokens;
    let whole = 0;
    for (let i = first; i < first + tokens - heldBack; i++) whole += importance[i];
    let left = 0;
    for (let at = head * rows; at < (head + 1) * rows; at++) left += importance[first + kept[at]];
    // Sums of the same numbers in another order may differ in their last digit.
    return whole === 0 ? 1 : Math.min(1, left / whole);
  });
}
