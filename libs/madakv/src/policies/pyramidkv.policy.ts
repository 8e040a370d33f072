import { OptionReader } from '../option.reader.js';
import type { EvictionPolicy } from '../policy.js';
import { linearProfile } from '../profile.js';
import { rankedPolicy } from '../ranked.policy.js';
import { observeWindow, rankByWindow, readSnapKvOptions, snapKvDefaults, windowRules } from './snapkv.policy.js';

/**
 * PyramidKV: "PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling" (arXiv 2406.02069).
 * SnapKV's selection with layer budgets that fall in equal steps from the first layer to the last: on top of the window,
 * the last layer gets 1 / beta of the mean and the first 2 - 1 / beta.
 *
 * Options: those of SnapKV, with a `window` of 8 as in the paper, and `beta` (20).
 */
export function createPyramidKv(raw?: unknown): EvictionPolicy {
  const reader = new OptionReader('pyramidkv', raw);
  const options = readSnapKvOptions(reader, { ...snapKvDefaults, window: 8 });
  const beta = reader.number('beta', 20, { min: 1 });
  reader.done();
  return rankedPolicy({
    name: 'pyramidkv',
    observe: (prompt) => observeWindow(prompt, options),
    rules: () => windowRules(options),
    rank: (plan, { layers }) => rankByWindow(plan, linearProfile(layers, 2 - 1 / beta, 1 / beta), options),
  });
}
