import { centred, OptionReader } from '../option.reader.js';
import type { EvictionPolicy, Observation, PromptLayout } from '../policy.js';
import { createPooler, type Pooling } from '../pooling.js';
import { readPooling } from '../pooling.options.js';
import { flatProfile } from '../profile.js';
import { rankedPolicy } from '../ranked.policy.js';
import type { Ranking } from '../ranked.selector.js';
import type { KeepRules, RequestPlan } from '../request.plan.js';

/** The options of SnapKV and PyramidKV. */
export interface SnapKvOptions {
  /** The observation window: the question, or that many last prompt tokens. */
  readonly window: 'question' | number;
  readonly pooling: Pooling;
  /** Most of the mean grant that window and question may take. 0..1. */
  readonly questionCap: number;
}

const defaults: SnapKvOptions = {
  window: 'question',
  pooling: { kind: 'tokens', reduction: 'avg', window: centred(5) },
  questionCap: 0.5,
};

/**
 * SnapKV: "SnapKV: LLM Knows What You are Looking for Before Generation" (NeurIPS 2024, arXiv 2404.14469). Attention of
 * an observation window at the end of the prompt, summed, pooled along the prompt; the window itself is kept.
 *
 * Options: `window` (`question`, or a number of last tokens), `pooling` (average over 5 tokens; `max` as an option),
 * `questionCap` (0.5).
 */
export function createSnapKv(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('snapkv', raw);
  const options = readSnapKvOptions(reader);
  reader.done();
  return rankedPolicy({
    name: 'snapkv',
    observe: (prompt) => observeWindow(prompt, options),
    rules: () => windowRules(options),
    rank: (plan, { layers }) => rankByWindow(plan, flatProfile(layers), options),
  });
}

export function readSnapKvOptions(reader: OptionReader): SnapKvOptions {
  return {
    window: reader.choiceOrNumber('window', defaults.window, ['question'], { min: 1, integer: true }),
    pooling: readPooling(reader, defaults.pooling),
    questionCap: reader.number('questionCap', defaults.questionCap, { min: 0, max: 1 }),
  };
}

/** The queries of the observation window, equal weights; the last prompt token where the question is empty. */
export function observeWindow({ tokens, question }: PromptLayout, { window }: SnapKvOptions): Observation {
  const asked = window === 'question' && question.end > question.start;
  const start = asked ? question.start : Math.max(0, tokens - (window === 'question' ? 1 : window));
  const end = asked ? question.end : tokens;
  const positions = Int32Array.from({ length: end - start }, (_, i) => start + i);
  return { kind: 'queries', positions, weights: new Float32Array(positions.length).fill(1), groupReduction: 'sum' };
}

export function windowRules({ window, questionCap }: SnapKvOptions): KeepRules {
  return { questionCap, modalityFloor: 0, ...(window === 'question' ? {} : { recent: window }) };
}

/** Ranks what is before the window; the window does not lend its own attention to its neighbours. */
export function rankByWindow(plan: RequestPlan, layerWeights: readonly number[], options: SnapKvOptions): Ranking {
  const pool = createPooler(options.pooling, plan.prompt, plan.candidates);
  const prefix = new Float32Array(plan.prompt.tokens);
  return {
    layerWeights,
    observes: true,
    score(psi, out) {
      prefix.set(psi);
      for (const position of plan.pinned) prefix[position] = 0;
      pool(prefix, out);
    },
  };
}
