import { OptionReader } from '../option.reader.js';
import type { EvictionPolicy } from '../policy.js';
import { flatProfile } from '../profile.js';
import { observeNothing, rankedPolicy } from '../ranked.policy.js';

/**
 * Random rows, the question kept: what a budget is worth without any choice. The same seed, layer and head give the same
 * rows, whatever was selected before.
 *
 * Options: `seed` (0); `questionCap` (0.5).
 */
export function createRandom(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('random', raw);
  const seed = reader.number('seed', 0, { min: 0, max: 0xffffffff, integer: true });
  const questionCap = reader.number('questionCap', 0.5, { min: 0, max: 1 });
  reader.done();
  return rankedPolicy({
    name: 'random',
    observe: observeNothing,
    rules: () => ({ questionCap, modalityFloor: 0 }),
    rank: (_plan, { layers }) => ({
      layerWeights: flatProfile(layers),
      observes: false,
      score(_psi, out, layer, head) {
        const stream = mix(mix(mix(seed) ^ layer) ^ head);
        for (let i = 0; i < out.length; i++) out[i] = (mix(stream ^ i) >>> 8) / 0x1000000;
      },
    }),
  });
}

/** A bijection of 32-bit integers that spreads every bit (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let bits = (value + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
