import { MadakvError, type Need } from '@madakv/contracts';
import { countModalities, promptLayout, type KvGeometry } from '@madakv/engine';
import {
  createPolicy,
  PolicyOptionError,
  UnknownPolicyError,
  type EvictionPolicy,
  type PromptLayout,
} from '@madakv/madakv';
import type { DecoderConfig, ImageLayout, PreparedPrompt } from '@madakv/models';
import type { GenerationSettings } from './generation.settings.js';
import { memoryNeed } from './memory.need.js';

/** What is known of a request before any memory is asked for or any work done. */
export interface GenerationPlan {
  readonly cacheRatio: number;
  /** What the grant may fall to. */
  readonly minCacheRatio: number;
  readonly need: Need;
  /** Prompt tokens by modality: `{text: 120, visual: 4096}`. */
  readonly promptTokens: Readonly<Record<string, number>>;
}

/** What a plan has to know of the model: its shape, and how its cache is stored. */
export interface ModelFigures {
  readonly decoder: Pick<DecoderConfig, 'layers' | 'kvHeads' | 'maxPositions'>;
  readonly kv: KvGeometry;
}

/**
 * Checks a request against the model and says what it needs.
 * @throws MadakvError `context_length_exceeded`, `cache_ratio_too_small`, and `invalid_request` for a policy or option
 *   that does not exist, each with the numbers
 */
export function planGeneration(
  prompt: PreparedPrompt<ImageLayout>,
  settings: GenerationSettings,
  model: ModelFigures,
): GenerationPlan {
  const policy = requestPolicy(settings);
  checkLength(prompt, settings.maxTokens, model.decoder.maxPositions);
  const layout = requestLayout(prompt, settings);
  const { cacheRatio, minCacheRatio } = settleRatios(policy, layout, settings);
  startsOnce(policy, layout, model, cacheRatio);
  const { tokens, heldBack } = layout;
  return {
    cacheRatio,
    minCacheRatio,
    need: memoryNeed({ tokens, heldBack, maxTokens: settings.maxTokens, cacheRatio, minCacheRatio }, model.kv),
    promptTokens: promptTokens(layout),
  };
}

/** @throws MadakvError `invalid_request` for an unknown policy or a wrong option */
export function requestPolicy({
  policy,
  policyOptions,
}: Pick<GenerationSettings, 'policy' | 'policyOptions'>): EvictionPolicy {
  return asRequestError(() => createPolicy(policy, policyOptions));
}

/** How the engine lays the prompt out under the settings' protocol. */
export function requestLayout(
  prompt: PreparedPrompt<ImageLayout>,
  { protocol }: Pick<GenerationSettings, 'protocol'>,
): PromptLayout {
  return promptLayout(prompt, protocol === 'replay' && prompt.inputIds.length > 1 ? 1 : 0);
}

/** @throws MadakvError `context_length_exceeded` when prompt and answer need more positions than the model has */
export function checkLength(
  { inputIds, nextPosition }: Pick<PreparedPrompt, 'inputIds' | 'nextPosition'>,
  maxTokens: number,
  maxPositions: number,
): void {
  const needed = nextPosition + maxTokens;
  if (needed <= maxPositions) return;
  throw new MadakvError(
    'context_length_exceeded',
    `too many tokens: the prompt of ${inputIds.length} tokens ends at position ${nextPosition}, ` +
      `and with ${maxTokens} answer tokens that exceeds the model's ${maxPositions} positions ` +
      `by ${needed - maxPositions}`,
    { param: 'messages' },
  );
}

/**
 * The ratio asked for, and the least that the policy can do with or the request allows.
 * @throws MadakvError `cache_ratio_too_small` with the smallest ratio that works
 */
export function settleRatios(
  policy: EvictionPolicy,
  layout: PromptLayout,
  settings: Pick<GenerationSettings, 'cacheRatio' | 'ratioRequested' | 'minCacheRatio'>,
): { readonly cacheRatio: number; readonly minCacheRatio: number } {
  const { tokens } = layout;
  const needed = policy.minimumTokensPerHead(layout);
  const smallest = smallestRatio(needed, tokens);
  const asked = settings.cacheRatio;
  if (asked * tokens < needed && settings.ratioRequested) {
    throw new MadakvError(
      'cache_ratio_too_small',
      `cache ratio ${asked} is too small: it keeps ${Number((asked * tokens).toFixed(2))} of ${tokens} prompt tokens ` +
        `a head and layer, and ${policy.name} needs ${needed}; use ${smallest} or more`,
      { param: 'madakv.cache_ratio' },
    );
  }
  const cacheRatio = asked * tokens < needed ? smallest : asked;
  const least = settings.minCacheRatio ?? cacheRatio / 2;
  return { cacheRatio, minCacheRatio: Math.min(cacheRatio, Math.max(least, smallest)) };
}

/** The smallest ratio of four decimals that keeps `needed` of `tokens`. */
export function smallestRatio(needed: number, tokens: number): number {
  let steps = Math.floor((needed / tokens) * RATIO_STEPS);
  while ((steps / RATIO_STEPS) * tokens < needed) steps++;
  return Math.min(1, steps / RATIO_STEPS);
}

const RATIO_STEPS = 10_000;

function promptTokens(layout: PromptLayout): Record<string, number> {
  const counts = countModalities(layout);
  return Object.fromEntries(layout.modalities.map((name, i) => [name, counts[i]]));
}

/** What only shows when a policy meets the model, such as a profile with the wrong number of layers. */
function startsOnce(policy: EvictionPolicy, layout: PromptLayout, { decoder }: ModelFigures, cacheRatio: number): void {
  const shape = { layers: decoder.layers, heads: decoder.kvHeads };
  asRequestError(() => policy.start(layout, shape, { tokensPerHead: cacheRatio * layout.tokens }));
}

function asRequestError<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof UnknownPolicyError) {
      throw new MadakvError('invalid_request', `madakv.policy: ${cause.message}`, { param: 'madakv.policy', cause });
    }
    if (cause instanceof PolicyOptionError) {
      throw new MadakvError('invalid_request', `madakv.options: ${cause.message}`, { param: 'madakv.options', cause });
    }
    throw cause;
  }
}
