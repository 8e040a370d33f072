import type { EvictionPolicy } from '@madakv/madakv';
import type { PreparedPrompt } from '@madakv/models';
import type { SamplingOptions, TokenLogprob } from './sampling/sampler.js';
import type { TokenConstraint } from './sampling/token.constraint.js';
import type { CacheTrace } from './trace/cache.trace.js';
import type { PromptImage } from './vision.encoder.js';

/**
 * Where the first answer token comes from. `replay`: the last prompt token is held back and replayed on the evicted cache.
 * `plain`: it comes from the full cache, as in most published measurements; eviction then shows from the second token on.
 */
export type Protocol = 'replay' | 'plain';

export interface GenerationRequest {
  readonly prompt: PreparedPrompt<PromptImage>;
  readonly policy: EvictionPolicy;
  /** Share of the prompt's cache that may be kept, in (0, 1]. */
  readonly cacheRatio: number;
  readonly maxTokens: number;
  readonly protocol?: Protocol;
  readonly sampling?: Partial<SamplingOptions>;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[];
  /** Ids that end the answer; by default the model's own. */
  readonly stopIds?: readonly number[];
  /** What the answer must keep to. The engine frees it when the request has ended, however it does. */
  readonly constraint?: TokenConstraint;
  /** Report the chosen token's log-probability and those of this many likeliest tokens. */
  readonly topLogprobs?: number;
  /** Report the logits that the first answer token was chosen from. */
  readonly wantFirstLogits?: boolean;
  /** A name of what the prompt begins with, the same for all requests about it: see `onResident` of the engine's options. */
  readonly documentKey?: string;
  /** Among requests that wait for their prefill the lower come first, equal ones as they came; 0 where absent. */
  readonly rank?: number;
}

export interface GeneratedToken {
  readonly id: number;
  /** Text that became certain with this token; empty while a character or a possible stop string is incomplete. */
  readonly text: string;
  readonly logprobs?: { readonly chosen: TokenLogprob; readonly top: readonly TokenLogprob[] };
}

/** Times are milliseconds since 1970, with fractions. */
export type GenerationEvent =
  /** The request has left the queue; images are encoded next. */
  | { readonly kind: 'started'; readonly atMs: number }
  | { readonly kind: 'prefill'; readonly done: number; readonly total: number }
  /** All chunks have passed a layer and it is evicted. In layer order only. */
  | { readonly kind: 'layer'; readonly layer: number; readonly startMs: number; readonly endMs: number }
  /** Every layer is evicted. `maxBytes`: the most the request will have allocated from here on, `bytes` what it has now. */
  | { readonly kind: 'evicted'; readonly atMs: number; readonly bytes: number; readonly maxBytes: number }
  | { readonly kind: 'token'; readonly token: GeneratedToken }
  /** Text that had been held back and follows the last token. */
  | { readonly kind: 'trailing'; readonly text: string };

export interface GenerationControl {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: GenerationEvent) => void;
}

/** When the stages of a request began and ended, in milliseconds since 1970, with fractions. */
export interface GenerationTimes {
  readonly submitted: number;
  /** Vision begins. */
  readonly started: number;
  /** Vision has ended, prefill begins; its observing and evicting are part of it. */
  readonly prefillStarted: number;
  /** Decoding begins. */
  readonly prefillEnded: number;
  readonly firstToken: number;
  /** The last token was chosen. */
  readonly ended: number;
}

export interface GenerationResult {
  readonly text: string;
  /** Without the id that ended the answer. */
  readonly tokenIds: readonly number[];
  readonly finishReason: 'stop' | 'length';
  readonly tokens: readonly GeneratedToken[];
  readonly firstLogits?: Float32Array;
  readonly usage: {
    readonly promptTokens: number;
    readonly completionTokens: number;
    /** Prompt tokens that were not computed for this request: another's prefill served it, at once or before. */
    readonly cachedTokens: number;
  };
  readonly trace: CacheTrace;
  readonly times: GenerationTimes;
}
