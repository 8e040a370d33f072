import { OptionReader } from '../option.reader.js';
import type { EvictionPolicy } from '../policy.js';
import { flatProfile } from '../profile.js';
import { observeNothing, rankedPolicy } from '../ranked.policy.js';

/**
 * StreamingLLM: "Efficient Streaming Language Models with Attention Sinks" (ICLR 2024, arXiv 2309.17453). Keeps the
 * first tokens, on which attention rests, and the most recent ones; looks at nothing.
 *
 * Options: `sinks` (4) first tokens; `questionCap` (0.5).
 */
export function createStreamingLlm(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('streaming-llm', raw);
  const sinks = reader.number('sinks', 4, { min: 0, integer: true });
  const questionCap = reader.number('questionCap', 0.5, { min: 0, max: 1 });
  reader.done();
  return rankedPolicy({
    name: 'streaming-llm',
    observe: observeNothing,
    rules: () => ({ questionCap, sinks, modalityFloor: 0 }),
    rank: (_plan, { layers }) => ({
      layerWeights: flatProfile(layers),
      observes: false,
      score(_psi, out) {
        for (let i = 0; i < out.length; i++) out[i] = i;
      },
    }),
  });
}
