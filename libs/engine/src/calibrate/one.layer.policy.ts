import {
  createPolicy,
  type EvictionPolicy,
  type LayerSelection,
  type LayerSelector,
  type PromptLayout,
} from '@madakv/madakv';
import { countModalities } from '../prompt.layout.js';

/** Ranks the rows of the layer under test: MadaKV without compensation and with all layers alike. */
export function rankingPolicy(): EvictionPolicy {
  return createPolicy('madakv', { hcc: false, profile: 'flat' });
}

/**
 * Evicts one layer hard and keeps every row of all others. It spends more than one layer's grant: start it with the grant of
 * the whole prompt.
 *
 * @param ranking chooses the rows of the evicted layer
 * @param ratio share of the prompt's rows that the evicted layer keeps, in (0, 1]
 * @param evicted the layer under test; undefined keeps all layers in full and still reports what `ranking` saw in each
 */
export function oneLayerPolicy(ranking: EvictionPolicy, ratio: number, evicted: number | undefined): EvictionPolicy {
  const grantFor = (prompt: PromptLayout): number => ratio * prompt.tokens;
  return {
    name: evicted === undefined ? 'full' : `only-layer-${evicted}`,
    observe: (prompt) => ranking.observe(prompt),
    minimumTokensPerHead: (prompt) => prompt.tokens,
    start(prompt, { heads }) {
      const start = (): LayerSelector =>
        ranking.start(prompt, { layers: 1, heads }, { tokensPerHead: grantFor(prompt) });
      // Says at once when the ratio leaves less than the floors.
      start();
      return {
        select(layer, importance) {
          if (layer === evicted) return start().select(0, importance);
          if (evicted === undefined) return { ...start().select(0, importance), ...keepAll(prompt, heads) };
          return untouched(prompt, heads);
        },
      };
    },
  };
}

/** Every candidate of every head. */
function keepAll(prompt: PromptLayout, heads: number): Pick<LayerSelection, 'rows' | 'kept' | 'keptByModality'> {
  const rows = prompt.tokens - prompt.heldBack;
  const counts = countModalities({ ...prompt, modalityOf: prompt.modalityOf.subarray(0, rows) });
  return {
    rows,
    kept: Int32Array.from({ length: heads * rows }, (_, i) => i % rows),
    keptByModality: Int32Array.from({ length: heads * counts.length }, (_, i) => counts[i % counts.length]),
  };
}

function untouched(prompt: PromptLayout, heads: number): LayerSelection {
  const all = keepAll(prompt, heads);
  const preference = Float32Array.from(all.keptByModality, (count) => count / all.rows);
  return { ...all, target: all.rows, demand: all.rows, compensation: 0, preference };
}
