import { OptionReader } from '../option.reader.js';
import type { EvictionPolicy } from '../policy.js';
import { flatProfile } from '../profile.js';
import { observeAll, rankedPolicy } from '../ranked.policy.js';

/**
 * LOOK-M: "LOOK-M: Look-Once Optimization in KV Cache for Efficient Multimodal Long-Context Inference" (Findings of
 * EMNLP 2024, arXiv 2406.18139). Accumulated attention as in H2O, with text before everything else: the largest score
 * is added to that of every text token. Evicted rows of other modalities are folded into the kept rows nearest to them
 * (`mergeEvicted`).
 *
 * Options: `recentShare` (0.5) of a layer's rows for the most recent tokens; `merge` (`pivotal`, `averaged`, `weighted`
 * or `none`); `textModality` (`text`); `questionCap` (0.5).
 */
export function createLookM(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('look-m', raw);
  const recentShare = reader.number('recentShare', 0.5, { min: 0, max: 1 });
  const method = reader.choice('merge', 'pivotal', ['pivotal', 'averaged', 'weighted', 'none']);
  const textModality = reader.text('textModality', 'text');
  const questionCap = reader.number('questionCap', 0.5, { min: 0, max: 1 });
  reader.done();
  return rankedPolicy({
    name: 'look-m',
    observe: observeAll,
    rules: () => ({ questionCap, modalityFloor: 0 }),
    rank({ prompt, candidates, allOf }, { layers }) {
      const text = prompt.modalities.indexOf(textModality);
      const textPositions = text < 0 ? new Int32Array(0) : allOf[text];
      const mergeable = prompt.modalityOf.slice(0, candidates).map((modality) => (modality === text ? 0 : 1));
      return {
        layerWeights: flatProfile(layers),
        observes: true,
        recentShare,
        score(psi, out) {
          out.set(psi);
          const first = highest(psi, candidates);
          // A score of its own size above the highest keeps the order of text among itself.
          for (const position of textPositions) out[position] += first;
        },
        ...(method === 'none' ? {} : { merge: { kind: 'look-m', method, mergeable } }),
      };
    },
  });
}

/** The largest score of the candidates; 1 where all are zero, so that text comes first even then. */
function highest(psi: Float32Array, candidates: number): number {
  let most = 0;
  for (let i = 0; i < candidates; i++) if (psi[i] > most) most = psi[i];
  return most > 0 ? most : 1;
}
