import type {
  AnsweredTrace,
  CacheSummary,
  ChatCompletion,
  FinishReason,
  TokenLogprob,
  Usage,
  Warning,
} from '@madakv/contracts';
import type { CacheTrace, GeneratedToken, GenerationResult } from '@madakv/engine';
import type { Tokenizer } from '@madakv/models';

type TextOf = Pick<Tokenizer, 'decode' | 'tokenBytes'>;

/** What every object of one completion carries. */
export interface CompletionHead {
  /** The request's id, which is the trace's as well. */
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

export interface CompletionResult {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly logprobs: readonly TokenLogprob[] | null;
  readonly trace: CacheTrace;
  /** What the request asked for, before the lease. */
  readonly requestedRatio: number;
  /** What of its documents was not read. */
  readonly warnings: readonly Warning[];
  readonly systemFingerprint?: string;
}

/** OpenAI's body of a finished answer. */
export function chatCompletion({ id, created, model }: CompletionHead, result: CompletionResult): ChatCompletion {
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: result.text, refusal: null },
        logprobs: result.logprobs === null ? null : { content: [...result.logprobs], refusal: null },
        finish_reason: result.finishReason,
      },
    ],
    usage: result.usage,
    ...(result.systemFingerprint === undefined ? {} : { system_fingerprint: result.systemFingerprint }),
    madakv: { ...cacheSummary(id, result.trace, result.requestedRatio), warnings: [...result.warnings] },
  };
}

/** What the cache reduction did, in a few numbers. */
export function cacheSummary(
  traceId: string,
  trace: CacheTrace,
  requestedRatio: number,
): Omit<CacheSummary, 'warnings'> {
  const { full, peak, afterEviction } = trace.bytes;
  return {
    trace_id: traceId,
    policy: trace.policy,
    cache_ratio: trace.ratio,
    requested_cache_ratio: requestedRatio,
    prompt_tokens: Object.fromEntries(trace.modalities.map((name, i) => [name, trace.promptTokens[i]])),
    bytes: { full, peak, kept: afterEviction },
  };
}

/** The part of a trace document that the engine knows. */
export function traceCache(trace: CacheTrace, requestedRatio: number): AnsweredTrace['cache'] {
  const { policy, ratio, protocol, modalities, promptTokens, sharing, layers, bytes } = trace;
  return {
    policy,
    requestedRatio,
    ratio,
    protocol,
    modalities: [...modalities],
    promptTokens: [...promptTokens],
    sharing: { ...sharing },
    layers: layers.map(({ kept, preference, attentionKept, positions, ...layer }) => ({
      ...layer,
      kept: kept.map((head) => [...head]),
      preference: preference.map((head) => [...head]),
      ...(attentionKept === undefined ? {} : { attentionKept: [...attentionKept] }),
      positions: [...positions],
    })),
    bytes: { ...bytes },
  };
}

export function usageOf({ promptTokens, completionTokens, cachedTokens }: GenerationResult['usage']): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

/** A token's log-probabilities with the texts of its alternatives; undefined where none were asked for. */
export function tokenLogprob({ logprobs }: GeneratedToken, tokenizer: TextOf): TokenLogprob | undefined {
  if (logprobs === undefined) return undefined;
  const entry = ({ id, logprob }: { readonly id: number; readonly logprob: number }) => ({
    token: tokenizer.decode([id], { skipSpecial: false }),
    logprob: shortest(logprob),
    bytes: Array.from(tokenizer.tokenBytes(id)),
  });
  return { ...entry(logprobs.chosen), top_logprobs: logprobs.top.map(entry) };
}

/** Nine digits name every float32 exactly; the rest are noise of widening it. */
export function shortest(value: number): number {
  return Number(value.toPrecision(9));
}
