import type { Protocol, SamplingOptions } from '@madakv/engine';
import { UsageError } from '../exit.codes.js';
import type { ChatRequest } from './chat.request.js';

/** What flags, body and defaults add up to: everything of a generation but the prompt itself. */
export interface GenerationSettings {
  readonly policy: string;
  readonly policyOptions: Readonly<Record<string, unknown>>;
  readonly cacheRatio: number;
  readonly maxTokens: number;
  readonly protocol: Protocol;
  readonly sampling: Partial<SamplingOptions>;
  readonly stop: readonly string[];
  /** Absent: no log-probabilities are asked for. */
  readonly topLogprobs: number | undefined;
}

/** What a command line may set; it wins over the body. */
export interface SettingsFlags {
  readonly policy?: string;
  readonly policyOptions?: Readonly<Record<string, unknown>>;
  readonly cacheRatio?: number;
  readonly maxTokens?: number;
  readonly protocol?: Protocol;
}

export const DEFAULTS = { policy: 'madakv', cacheRatio: 0.2, maxTokens: 256, protocol: 'replay' } as const;

/**
 * Joins flags, body and defaults, in this order of precedence. Temperature is 0 by default: a question about a document
 * has one answer.
 * @param randomSeed taken when tokens are drawn and the request has no seed
 * @throws UsageError for keys that contradict each other
 */
export function generationSettings(
  body: ChatRequest,
  flags: SettingsFlags,
  randomSeed: () => number,
): GenerationSettings {
  if (body.top_logprobs != null && body.logprobs !== true) {
    throw new UsageError('top_logprobs: needs logprobs to be true');
  }
  const policy = flags.policy ?? body.madakv?.policy ?? DEFAULTS.policy;
  // Options in the body belong to the policy in the body.
  const bodyOptions = policy === (body.madakv?.policy ?? DEFAULTS.policy) ? body.madakv?.options : undefined;
  const stop = body.stop ?? [];
  return {
    policy,
    policyOptions: { ...bodyOptions, ...flags.policyOptions },
    cacheRatio: flags.cacheRatio ?? body.madakv?.cache_ratio ?? (policy === 'full' ? 1 : DEFAULTS.cacheRatio),
    maxTokens: flags.maxTokens ?? body.max_completion_tokens ?? body.max_tokens ?? DEFAULTS.maxTokens,
    protocol: flags.protocol ?? DEFAULTS.protocol,
    sampling: samplingOptions(body, randomSeed),
    stop: typeof stop === 'string' ? [stop] : stop,
    topLogprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : undefined,
  };
}

function samplingOptions(body: ChatRequest, randomSeed: () => number): Partial<SamplingOptions> {
  const temperature = body.temperature ?? 0;
  const seed = body.seed ?? (temperature > 0 ? randomSeed() : undefined);
  return {
    temperature,
    ...(body.top_p == null ? {} : { topP: body.top_p }),
    ...(body.top_k == null ? {} : { topK: Math.max(0, body.top_k) }),
    ...(seed === undefined ? {} : { seed }),
    ...(body.repetition_penalty == null ? {} : { repetitionPenalty: body.repetition_penalty }),
    ...(body.presence_penalty == null ? {} : { presencePenalty: body.presence_penalty }),
    ...(body.frequency_penalty == null ? {} : { frequencyPenalty: body.frequency_penalty }),
  };
}
