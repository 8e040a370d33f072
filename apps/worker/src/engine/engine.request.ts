import type { FinishReason, PreparedRequest, TokenLogprob, Usage } from '@madakv/contracts';
import type { CacheTrace, GenerationTimes, HalfOrFull, KvGeometry } from '@madakv/engine';
import type { DecoderConfig, Precision } from '@madakv/models';
import type { ProviderName } from '@madakv/onnx';
import type { GenerationSettings } from '@madakv/requests';

/** What the engine's thread opens and how it runs it. */
export interface EngineSettings {
  /** Checkpoint folder. */
  readonly modelDir: string;
  readonly provider: ProviderName;
  /** Threads of the cpu provider; 0 takes all cores. */
  readonly threads: number;
  readonly weights: Precision;
  /** Of what is stored in no fewer bits; what the device can do where absent. */
  readonly precision?: HalfOrFull;
  readonly kvCache: 'fp32' | 'int8';
  /** Where built models are kept; `defaultCacheDir()` of the engine where absent. */
  readonly cacheDir?: string;
  /** Prompt tokens a prefill run takes at once; the engine's default where absent. */
  readonly chunkTokens?: number;
  /** Sequences that decode together; the engine's default where absent. */
  readonly maxSequences?: number;
  /** Requests that begin alike and are prefilled together at most; the engine's default where absent. */
  readonly maxGroup?: number;
  /** Bytes of visual features kept for later questions about the same images; in proportion to the model where absent. */
  readonly featureCacheBytes?: number;
  /** Bytes of rows kept for later questions about the same documents; where absent 256 MiB, and none where caches are on a device. */
  readonly residentBytes?: number;
}

/** An image of a request. `load` is called only where the thread does not hold the image's features any more. */
export interface EngineImage {
  /** The same key always names the same image: the FileStore key of a PreparedImageRef. */
  readonly key: string;
  /** Which part of the request it came from, for errors. */
  readonly part: string;
  /** Pixels, upright. */
  readonly width: number;
  readonly height: number;
  /** The encoded image. The host copies what it returns, so a buffer may be used again. */
  readonly load: () => Promise<Uint8Array>;
}

/** One question to the engine: a PreparedRequest with what its lease allows. */
export interface EngineRequest {
  readonly requestId: string;
  readonly messages: PreparedRequest['messages'];
  /** What the messages' `index`es count. */
  readonly images: readonly EngineImage[];
  readonly settings: GenerationSettings;
  /** Share of the prompt's cache that was granted: `grantedRatio` of libs/requests. */
  readonly cacheRatio: number;
  /** Prompt tokens that the lease was asked for. A prompt of another length fails, lest it outgrow the lease. */
  readonly promptTokens?: number;
  /**
   * A name of what the prompt begins with, the same for all requests about it. Nothing is decided by it: it is what `onResident` of the
   * host tells.
   */
  readonly documentKey?: string;
  /** Among requests that wait for the engine the lower come first; 0 where absent. */
  readonly rank?: number;
}

/** What a running request says, in order. Times are milliseconds since 1970, with fractions. */
export type EngineEvent =
  /** The engine has begun with this request: images are decoded and encoded one by one, then comes the prefill. */
  | { readonly kind: 'started'; readonly atMs: number }
  /** Units of prefill: a chunk through a layer. */
  | { readonly kind: 'prefill'; readonly done: number; readonly total: number }
  /** All chunks have passed this layer and it is evicted. */
  | { readonly kind: 'layer'; readonly layer: number; readonly startMs: number; readonly endMs: number }
  /**
   * The whole prompt's cache is evicted. `bytes`: what the request has allocated now; `maxBytes`: the most it will have
   * allocated from here on, however long the answer is. Resize the lease to `maxBytes`.
   */
  | { readonly kind: 'evicted'; readonly atMs: number; readonly bytes: number; readonly maxBytes: number }
  /**
   * Text that became certain, an `AnswerEvent` of the contracts. Indices count from 0 without a gap. The last one may be
   * text that had been held back, without logprobs.
   */
  | { readonly kind: 'token'; readonly index: number; readonly text: string; readonly logprobs?: TokenLogprob };

/** A finished answer; `chatCompletion` and `traceCache` of libs/requests make the documents of it. */
export interface EngineAnswer {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  /** One a token, where the request asked for them. */
  readonly logprobs: readonly TokenLogprob[] | null;
  readonly trace: CacheTrace;
  readonly times: GenerationTimes;
  /** Where each image stands, in the order of the prompt. */
  readonly imagePlaces: readonly EngineImagePlace[];
}

/** Where an image's tokens stand in the prompt. */
export interface EngineImagePlace {
  /** Visual tokens. Those before the grid (a class token, a small picture of the whole) count. */
  readonly tokens: number;
  /** First token of the grid, row by row. */
  readonly start: number;
  readonly rows: number;
  readonly columns: number;
  /** Tokens a row: its columns, and one more where a token ends the line. */
  readonly stride: number;
}

/** What a loaded model is, for the registry of models and for memory needs. */
export interface EngineInfo {
  readonly family: string;
  readonly decoder: DecoderConfig;
  readonly maxPositions: number;
  /** Bytes of cache one prompt token takes over all layers before eviction. */
  readonly kvBytesPerToken: number;
  readonly kv: KvGeometry;
  readonly provider: ProviderName;
  /** Folder of the built graphs; its name identifies checkpoint, precision and provider (`system_fingerprint`). */
  readonly builtDir: string;
}
