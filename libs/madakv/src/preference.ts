/**
 * Modality preference, equation (6) of MadaKV (ACL 2025, arXiv 2506.15724): w_m = sum over i in X_m of psi(i), here
 * normalised so that the weights of a head sum to 1.
 *
 * Where nothing carries weight (all psi zero), the preference is each modality's share of the tokens.
 *
 * @param scores `[tokens]` psi of one head, finite, >= 0.
 * @param positions X_m for each modality.
 * @returns `[modalities]`; 0 for a modality without tokens.
 */
export function preferenceOf(scores: Float32Array, positions: readonly Int32Array[]): Float64Array {
  const weights = Float64Array.from(positions, (among) => sumAt(scores, among));
  return normalise(weights) ?? shareOfTokens(positions);
}

/** `[modalities]`: each modality's share of the tokens; what is known where no attention was observed. */
export function shareOfTokens(positions: readonly Int32Array[]): Float64Array {
  const counts = Float64Array.from(positions, (among) => among.length);
  return normalise(counts) ?? counts;
}

function sumAt(scores: Float32Array, among: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < among.length; i++) sum += scores[among[i]];
  return sum;
}

function normalise(weights: Float64Array): Float64Array | undefined {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return total > 0 ? weights.map((weight) => weight / total) : undefined;
}
