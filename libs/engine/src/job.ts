import {
  attentionKept,
  type LayerSelection,
  type LayerSelector,
  type Observation,
  type PromptLayout,
} from '@madakv/madakv';
import type { DecoderConfig } from '@madakv/models';
import type { PrefillReport } from './decoder/prefill.group.js';
import type {
  GenerationControl,
  GenerationEvent,
  GenerationRequest,
  GenerationResult,
  GenerationTimes,
} from './generation.js';
import { KvLedger } from './kv/kv.ledger.js';
import { answerBytes, appendedTokens, freshRowBytes, type KvGeometry } from './kv/kv.need.js';
import { beginningOf, type PromptBeginning } from './prompt.beginning.js';
import { countModalities, promptLayout } from './prompt.layout.js';
import { GREEDY, validateSampling } from './sampling/sampler.js';
import type { Sequence } from './sequence.js';
import { traceLayers, type PrefillSharing } from './trace/cache.trace.js';

/** One request under way: its promise, its cancellation, its clock and its cache ledger. */
export class Job {
  readonly layout: PromptLayout;
  readonly prompt: PromptBeginning;
  /** Whose attention its policy wants to see. */
  readonly observation: Observation;
  readonly ledger: KvLedger;
  readonly result: Promise<GenerationResult>;
  settled = false;
  private readonly resolve: (result: GenerationResult) => void;
  private readonly reject: (reason: unknown) => void;
  private readonly submittedAt = performance.now();
  private cancelled_: { readonly reason: unknown } | undefined;
  private selections: readonly LayerSelection[] = [];
  /** `[layers]`, each `[heads]`; of a policy that observes chosen queries. */
  private readonly attentionKept: Float64Array[] = [];
  private afterEvictionBytes = 0;
  private sharing: PrefillSharing = {
    requests: 1,
    sharedTokens: 0,
    cachedTokens: 0,
    residentTokens: 0,
    reason: 'nothing_waited',
    alikeTokens: 0,
  };
  private readonly ms = { queue: 0, vision: 0, prefill: 0, observe: 0, evict: 0, firstToken: 0, decode: 0 };
  /** By the clock of `performance.now()`. */
  private readonly at = { started: 0, prefillStarted: 0, prefillEnded: 0, ended: 0 };

  /** @throws RangeError for a request outside of the limits; the message names the limit */
  constructor(
    readonly request: GenerationRequest,
    private readonly control: GenerationControl,
    private readonly config: DecoderConfig,
    private readonly geometry: KvGeometry,
    ledger: KvLedger,
  ) {
    validate(request, config);
    const tokens = request.prompt.inputIds.length;
    // A prompt of one token has nothing before it to evict.
    const replay = (request.protocol ?? 'replay') === 'replay' && tokens > 1;
    this.layout = promptLayout(request.prompt, replay ? 1 : 0);
    this.prompt = beginningOf(request.prompt);
    this.observation = request.policy.observe(this.layout);
    this.ledger = new KvLedger(ledger);
    let resolve: (result: GenerationResult) => void = () => undefined;
    let reject: (reason: unknown) => void = () => undefined;
    this.result = new Promise<GenerationResult>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    });
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Tokens before the first whose query is observed: rows of those may come from another prefill, whose queries are gone. */
  get unobservedTokens(): number {
    switch (this.observation.kind) {
      case 'all':
        return 0;
      case 'none':
        return this.layout.tokens;
      case 'queries':
        return this.observation.positions.reduce((first, at) => Math.min(first, at), this.layout.tokens);
    }
  }

  get cancelled(): boolean {
    return this.cancelled_ !== undefined || this.control.signal?.aborted === true;
  }

  get cancelReason(): unknown {
    return this.cancelled_ === undefined ? (this.control.signal?.reason as unknown) : this.cancelled_.reason;
  }

  cancel(reason: unknown): void {
    this.cancelled_ = { reason };
  }

  /** A listener that throws cancels its own request, and nobody else's. */
  emit(event: GenerationEvent): void {
    try {
      this.control.onEvent?.(event);
    } catch (error) {
      this.cancel(error);
    }
  }

  started(): void {
    this.at.started = performance.now();
    this.ms.queue = this.at.started - this.submittedAt;
    this.emit({ kind: 'started', atMs: wallClock(this.at.started) });
  }

  /** Images are encoded. */
  embedded(): void {
    this.at.prefillStarted = performance.now();
  }

  layerDone(layer: number, startedAt: number, endedAt: number): void {
    this.emit({ kind: 'layer', layer, startMs: wallClock(startedAt), endMs: wallClock(endedAt) });
  }

  /** Begins the policy's work on this request. */
  start(): LayerSelector {
    const selector = this.request.policy.start(
      this.layout,
      { layers: this.config.layers, heads: this.config.kvHeads },
      { tokensPerHead: this.request.cacheRatio * this.layout.tokens },
    );
    // Of all queries it would say how the prompt reads itself, not what is asked of it.
    return this.observation.kind === 'queries' ? this.measured(selector) : selector;
  }

  /** The selector, with note taken of the attention that it leaves. */
  private measured(selector: LayerSelector): LayerSelector {
    return {
      select: (layer, importance) => {
        const selection = selector.select(layer, importance);
        this.attentionKept[layer] = attentionKept(importance, selection, this.layout);
        return selection;
      },
    };
  }

  /** An image of its prompt was encoded, or remembered. */
  saw(ms: number): void {
    this.ms.vision += ms;
  }

  /** With whom its prefill is shared. */
  shares(sharing: PrefillSharing): void {
    this.sharing = sharing;
  }

  prefilled(report: PrefillReport): void {
    this.selections = report.selections;
    this.ms.prefill = report.forwardMs;
    this.ms.observe = report.observeMs;
    this.ms.evict = report.evictMs;
    this.afterEvictionBytes = this.ledger.bytes;
    this.at.prefillEnded = performance.now();
    this.emit({
      kind: 'evicted',
      atMs: wallClock(this.at.prefillEnded),
      bytes: this.afterEvictionBytes,
      maxBytes: this.afterEvictionBytes + this.answerBytes(),
    });
  }

  /** A token was chosen. */
  accepted(): void {
    const now = performance.now();
    if (this.ms.firstToken === 0) this.ms.firstToken = now - this.submittedAt;
    this.ms.decode = now - this.at.prefillEnded;
    this.at.ended = now;
  }

  /** Failing a second time does nothing. */
  fail(reason: unknown): void {
    this.settled = true;
    this.reject(reason);
  }

  finish(sequence: Sequence, finalBytes: number): void {
    const { request, layout } = this;
    this.settled = true;
    this.resolve({
      text: sequence.text,
      tokenIds: sequence.tokenIds,
      finishReason: sequence.finishReason ?? 'length',
      tokens: sequence.tokens,
      ...(sequence.firstLogits === undefined ? {} : { firstLogits: sequence.firstLogits }),
      usage: {
        promptTokens: layout.tokens,
        completionTokens: sequence.tokens.length,
        cachedTokens: this.sharing.cachedTokens,
      },
      trace: {
        policy: request.policy.name,
        ratio: request.cacheRatio,
        protocol: layout.heldBack === 1 ? 'replay' : 'plain',
        modalities: layout.modalities,
        promptTokens: countModalities(layout),
        sharing: this.sharing,
        layers: traceLayers(this.selections, layout, this.config.kvHeads, this.attentionKept),
        bytes: {
          full: this.fullBytes(),
          peak: this.ledger.peakBytes,
          afterEviction: this.afterEvictionBytes,
          final: finalBytes,
        },
        ms: this.ms,
      },
      times: this.times(),
    });
  }

  private times(): GenerationTimes {
    const { started, prefillStarted, prefillEnded, ended } = this.at;
    return {
      submitted: wallClock(this.submittedAt),
      started: wallClock(started),
      prefillStarted: wallClock(prefillStarted),
      prefillEnded: wallClock(prefillEnded),
      firstToken: wallClock(this.submittedAt + this.ms.firstToken),
      ended: wallClock(ended),
    };
  }

  /** The most that the answer takes beside what was kept. */
  private answerBytes(): number {
    const largestLayer = Math.max(...this.selections.map(({ rows }) => rows));
    const appended = appendedTokens(this.request.maxTokens, this.layout.heldBack);
    return answerBytes(this.geometry, largestLayer, appended);
  }

  private fullBytes(): number {
    return this.geometry.layers * freshRowBytes(this.geometry) * this.layout.tokens;
  }
}

/** Milliseconds since 1970 of a time by `performance.now()`. */
function wallClock(now: number): number {
  return performance.timeOrigin + now;
}

function validate(request: GenerationRequest, config: DecoderConfig): void {
  validateSampling({ ...GREEDY, ...request.sampling });
  const tokens = request.prompt.inputIds.length;
  if (tokens === 0) throw new RangeError('the prompt is empty');
  if (!(request.cacheRatio > 0 && request.cacheRatio <= 1)) {
    throw new RangeError(`cache ratio must be in (0, 1], got ${request.cacheRatio}`);
  }
  if (!Number.isInteger(request.maxTokens) || request.maxTokens < 1) {
    throw new RangeError(`max tokens must be a whole number of at least 1, got ${request.maxTokens}`);
  }
  const end = request.prompt.nextPosition + request.maxTokens;
  if (end > config.maxPositions) {
    throw new RangeError(
      `the prompt of ${tokens} tokens reaches position ${request.prompt.nextPosition}; with ${request.maxTokens} more ` +
        `tokens that exceeds the model's ${config.maxPositions} positions`,
    );
  }
}
