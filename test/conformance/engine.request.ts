import type { GenerationRequest } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';

/** A greedy request on the full cache; `changes` on top. */
export function request(prompt: PreparedPrompt, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return { prompt, policy: createPolicy('full'), cacheRatio: 1, maxTokens: 12, stopIds: [], ...changes };
}

/** Largest difference over the largest magnitude expected. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  let apart = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    apart = Math.max(apart, Math.abs(value - actual[i]));
    largest = Math.max(largest, Math.abs(value));
  });
  return Number.isNaN(apart) ? Infinity : apart / largest;
}
