import { QUESTION_WINDOW, questionPositions } from '../layout.js';
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
  /** The observation window: that many last prompt tokens, or the question (its last `QUESTION_WINDOW` tokens). */
  readonly window: 'question' | number;
  readonly pooling: Pooling;
  /** Most of the mean grant that window and question may take. 0..1. */
  readonly questionCap: number;
}

/** The window is that of the paper: 16 to 32 tokens. */
export const snapKvDefaults: SnapKvOptions = {
  window: 32,
  pooling: { kind: 'tokens', reduction: 'avg', window: centred(5) },
  questionCap: 0.5,
};

/**
 * SnapKV: "SnapKV: LLM Knows What You are Looking for Before Generation" (NeurIPS 2024, arXiv 2404.14469). Attention of
 * an observation window at the end of the prompt, summed, pooled along the prompt; the window itself is kept.
 *
 * Options: `window` (32 last tokens; another number of them, or `question`), `pooling` (average over 5 tokens; `max` as an option),
 * `questionCap` (0.5).
 */
export function createSnapKv(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('snapkv', raw);
  const options = readSnapKvOptions(reader, snapKvDefaults);
  reader.done();
  return rankedPolicy({
    name: 'snapkv',
    observe: (prompt) => observeWindow(prompt, options),
    rules: () => windowRules(options),
    rank: (plan, { layers }) => rankByWindow(plan, flatProfile(layers), options),
  });
}

export function readSnapKvOptions(
  reader: OptionReader,
  { window, pooling, questionCap }: SnapKvOptions,
): SnapKvOptions {
  return {
    window: reader.choiceOrNumber('window', window, ['question'], { min: 1, max: 4096, integer: true }),
    pooling: readPooling(reader, pooling),
    questionCap: reader.number('questionCap', questionCap, { min: 0, max: 1 }),
  };
}

/** The queries of the observation window, equal weights; the last prompt token where the question is empty. */
export function observeWindow(prompt: PromptLayout, { window }: SnapKvOptions): Observation {
  const asked = window === 'question' ? questionPositions(prompt, QUESTION_WINDOW) : new Int32Array(0);
  const positions = asked.length > 0 ? asked : lastPositions(prompt.tokens, window === 'question' ? 1 : window);
  return { kind: 'queries', positions, weights: new Float32Array(positions.length).fill(1), groupReduction: 'sum' };
}

function lastPositions(tokens: number, count: number): Int32Array {
  const start = Math.max(0, tokens - count);
  return Int32Array.from({ length: tokens - start }, (_, i) => start + i);
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
