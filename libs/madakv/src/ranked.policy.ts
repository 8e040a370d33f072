import type { EvictionPolicy, ModelShape, Observation, PromptLayout } from './policy.js';
import { RankedSelector, type Ranking } from './ranked.selector.js';
import { type KeepRules, minimumTokensPerHead, planRequest, type RequestPlan } from './request.plan.js';

/** What a rival is made of. */
export interface RankedPolicy {
  readonly name: string;
  observe(prompt: PromptLayout): Observation;
  rules(prompt: PromptLayout): KeepRules;
  rank(plan: RequestPlan, model: ModelShape): Ranking;
}

/** An eviction policy that keeps pinned rows and the best by a score, without modalities and demand. */
export function rankedPolicy(rival: RankedPolicy): EvictionPolicy {
  const { name } = rival;
  return {
    name,
    observe: (prompt) => rival.observe(prompt),
    minimumTokensPerHead: (prompt) => minimumTokensPerHead(prompt, rival.rules(prompt)),
    start(prompt, model, grant) {
      const plan = planRequest(name, prompt, model, grant, rival.rules(prompt));
      return new RankedSelector(plan, rival.rank(plan, model));
    },
  };
}

/** Every prompt query. */
export const observeAll = (): Observation => ({ kind: 'all' });

/** Nothing. */
export const observeNothing = (): Observation => ({ kind: 'none' });
