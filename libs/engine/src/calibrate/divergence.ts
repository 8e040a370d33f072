/**
 * Kullback-Leibler divergence of two next-token distributions, in nats: what is lost when `approximate` stands in for `exact`.
 * @param exact, approximate `[vocab]` logits
 * @returns sum over v of p(v) * (ln p(v) - ln q(v)), at least 0
 */
export function divergence(exact: Float32Array, approximate: Float32Array): number {
  const [p, q] = [logNormaliser(exact), logNormaliser(approximate)];
  let sum = 0;
  for (let v = 0; v < exact.length; v++) {
    const logP = exact[v] - p;
    sum += Math.exp(logP) * (logP - (approximate[v] - q));
  }
  // Equal distributions may come out slightly below zero.
  return Math.max(0, sum);
}

/** ln of the sum of exp(logits). */
function logNormaliser(logits: Float32Array): number {
  let highest = -Infinity;
  for (const logit of logits) highest = Math.max(highest, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  return highest + Math.log(sum);
}
