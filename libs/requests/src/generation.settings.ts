import { randomInt } from 'node:crypto';
import {
  answerFormat,
  ChatRequestSchema,
  DEFAULT_ANSWER_TOKENS,
  MadakvError,
  type ChatRequest,
} from '@madakv/contracts';
import type { Protocol, SamplingOptions } from '@madakv/engine';
import type { AnswerFormat } from '@madakv/grammar';

/** Everything of a request but its messages and its model. */
export type RequestParameters = Omit<ChatRequest, 'messages' | 'model'>;

/** Of what was checked when it was accepted: a key that it does not know is another version's. */
const RequestParametersSchema = ChatRequestSchema.omit({ messages: true, model: true }).strip();

/** What parameters and defaults add up to: everything of a generation but the prompt itself. */
export interface GenerationSettings {
  readonly policy: string;
  readonly policyOptions: Readonly<Record<string, unknown>>;
  /** Share of the prompt's cache that may be kept. */
  readonly cacheRatio: number;
  /** The request says so itself; a ratio by default gives way where the prompt is too short for it. */
  readonly ratioRequested: boolean;
  /** What the share may fall to under memory pressure, where the request says so. */
  readonly minCacheRatio: number | undefined;
  readonly maxTokens: number;
  readonly protocol: Protocol;
  readonly sampling: Partial<SamplingOptions>;
  readonly stop: readonly string[];
  /** Absent: any text. */
  readonly format?: AnswerFormat;
  /** Absent: no log-probabilities are asked for. */
  readonly topLogprobs: number | undefined;
}

/** What a command line may set; it wins over the request. */
export interface SettingsOverrides {
  readonly policy?: string;
  readonly policyOptions?: Readonly<Record<string, unknown>>;
  readonly cacheRatio?: number;
  readonly maxTokens?: number;
  readonly protocol?: Protocol;
}

export const DEFAULTS = {
  policy: 'madakv',
  cacheRatio: 0.2,
  maxTokens: DEFAULT_ANSWER_TOKENS,
  protocol: 'replay',
} as const;

/**
 * Reads the parameters that a PreparedRequest carries.
 * @throws ZodError when they are none; they were checked when the request was accepted
 */
export function readParameters(value: unknown): RequestParameters {
  return RequestParametersSchema.parse(value);
}

/**
 * Draws a seed where tokens are drawn and the request has none. Whoever accepts a request does this once and keeps the
 * result, so that a second attempt gives the same tokens.
 */
export function withSeed<P extends RequestParameters>(
  parameters: P,
  draw = (): number => randomInt(2 ** 31),
): P & Pick<RequestParameters, 'seed'> {
  if (parameters.seed != null || (parameters.temperature ?? 0) === 0) return parameters;
  return { ...parameters, seed: draw() };
}

/**
 * Joins overrides, parameters and defaults, in this order of precedence. Temperature is 0 by default: a question about a
 * document has one answer.
 * @throws MadakvError `invalid_request` for keys that contradict each other
 */
export function generationSettings(
  parameters: RequestParameters,
  overrides: SettingsOverrides = {},
): GenerationSettings {
  const { madakv, logprobs } = parameters;
  if (parameters.top_logprobs != null && logprobs !== true) {
    throw new MadakvError('invalid_request', 'top_logprobs: needs logprobs to be true', { param: 'top_logprobs' });
  }
  const policy = overrides.policy ?? madakv?.policy ?? DEFAULTS.policy;
  // Options of the request belong to the policy of the request.
  const ownOptions = policy === (madakv?.policy ?? DEFAULTS.policy) ? madakv?.options : undefined;
  const requested = overrides.cacheRatio ?? madakv?.cache_ratio;
  const cacheRatio = requested ?? (policy === 'full' ? 1 : DEFAULTS.cacheRatio);
  checkLeast(madakv?.min_cache_ratio, cacheRatio);
  const stop = parameters.stop ?? [];
  const format = answerFormat(parameters.response_format);
  return {
    policy,
    policyOptions: { ...ownOptions, ...overrides.policyOptions },
    cacheRatio,
    ratioRequested: requested !== undefined,
    minCacheRatio: madakv?.min_cache_ratio,
    maxTokens: overrides.maxTokens ?? parameters.max_completion_tokens ?? parameters.max_tokens ?? DEFAULTS.maxTokens,
    protocol: overrides.protocol ?? DEFAULTS.protocol,
    sampling: samplingOptions(parameters),
    stop: typeof stop === 'string' ? [stop] : stop,
    ...(format === undefined ? {} : { format }),
    topLogprobs: logprobs === true ? (parameters.top_logprobs ?? 0) : undefined,
  };
}

function checkLeast(least: number | undefined, cacheRatio: number): void {
  if (least === undefined || least <= cacheRatio) return;
  throw new MadakvError(
    'invalid_request',
    `madakv.min_cache_ratio: ${least} is more than the cache ratio, ${cacheRatio}`,
    { param: 'madakv.min_cache_ratio' },
  );
}

function samplingOptions(parameters: RequestParameters): Partial<SamplingOptions> {
  const { top_p, top_k, seed, repetition_penalty, presence_penalty, frequency_penalty } = parameters;
  return {
    temperature: parameters.temperature ?? 0,
    ...(top_p == null ? {} : { topP: top_p }),
    ...(top_k == null ? {} : { topK: Math.max(0, top_k) }),
    ...(seed == null ? {} : { seed }),
    ...(repetition_penalty == null ? {} : { repetitionPenalty: repetition_penalty }),
    ...(presence_penalty == null ? {} : { presencePenalty: presence_penalty }),
    ...(frequency_penalty == null ? {} : { frequencyPenalty: frequency_penalty }),
  };
}
