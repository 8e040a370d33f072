import { OptionReader } from '../option.reader.js';
import type { EvictionPolicy } from '../policy.js';
import { flatProfile } from '../profile.js';
import { observeAll, rankedPolicy } from '../ranked.policy.js';

/**
 * H2O: "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models" (NeurIPS 2023, arXiv
 * 2306.14048). Attention accumulated over all prompt queries finds the heavy hitters; the rest are the most recent.
 *
 * Options: `recentShare` (0.5) of a layer's rows for the most recent tokens; `questionCap` (0.5).
 */
export function createH2o(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('h2o', raw);
  const recentShare = reader.number('recentShare', 0.5, { min: 0, max: 1 });
  const questionCap = reader.number('questionCap', 0.5, { min: 0, max: 1 });
  reader.done();
  return rankedPolicy({
    name: 'h2o',
    observe: observeAll,
    rules: () => ({ questionCap, modalityFloor: 0 }),
    rank: (_plan, { layers }) => ({
      layerWeights: flatProfile(layers),
      observes: true,
      recentShare,
      score(psi, out) {
        out.set(psi);
      },
    }),
  });
}
