import type { LayerCache } from './kv/kv.memory.js';
import type { KvLedger } from './kv/kv.ledger.js';
import type { GeneratedToken, GenerationRequest } from './generation.js';
import { GREEDY, logprobs, Sampler } from './sampling/sampler.js';
import { StopMatcher } from './sampling/stop.matcher.js';

/** Turns ids into text as they come; holds incomplete characters back. */
export interface Detokenizer {
  push(id: number): string;
  flush(): string;
}

/** A sequence past its prefill: its cache, the newest token, and the answer so far. */
export class Sequence {
  readonly tokens: GeneratedToken[] = [];
  finishReason: 'stop' | 'length' | undefined;
  firstLogits: Float32Array | undefined;
  /** Text that was held back until the answer ended; it follows the last token's. */
  trailing = '';
  private readonly sampler: Sampler;
  private readonly matcher: StopMatcher;
  private readonly stopIds: ReadonlySet<number>;

  /**
   * @param newest id and rotary position (the same on every axis) of the token that the next step runs
   */
  constructor(
    private readonly request: GenerationRequest,
    readonly caches: readonly LayerCache[],
    readonly ledger: KvLedger,
    private readonly detokenizer: Detokenizer,
    eosIds: readonly number[],
    public newest: { readonly id: number; readonly position: Int32Array },
  ) {
    this.sampler = new Sampler({ ...GREEDY, ...request.sampling }, request.prompt.inputIds);
    this.matcher = new StopMatcher(request.stop ?? []);
    this.stopIds = new Set(request.stopIds ?? eosIds);
  }

  get tokenIds(): number[] {
    return this.tokens.map(({ id }) => id);
  }

  get text(): string {
    return this.tokens.map(({ text }) => text).join('') + this.trailing;
  }

  /** Whether the next token is the likeliest one, and nothing else is asked of its logits. */
  get takesLikeliest(): boolean {
    const { constraint, topLogprobs, wantFirstLogits } = this.request;
    if (constraint !== undefined || topLogprobs !== undefined) return false;
    return this.sampler.takesLikeliest && (this.tokens.length > 0 || wantFirstLogits !== true);
  }

  /**
   * Chooses the next token from its logits and decides whether the answer ends with it.
   * @param logits `[vocab]`; changed by the constraint and by penalties
   * @returns the token, or undefined when an end-of-answer id was chosen
   */
  async accept(logits: Float32Array): Promise<GeneratedToken | undefined> {
    if (this.tokens.length === 0 && this.request.wantFirstLogits === true) this.firstLogits = logits.slice();
    this.request.constraint?.mask(logits);
    return this.append(this.sampler.next(logits), logits);
  }

  /** The same for a token that was chosen where the logits lie. @param id the likeliest, see {@link takesLikeliest} */
  acceptLikeliest(id: number): Promise<GeneratedToken | undefined> {
    this.sampler.take(id);
    return this.append(id);
  }

  private async append(id: number, logits?: Float32Array): Promise<GeneratedToken | undefined> {
    if (this.stopIds.has(id)) {
      this.finish('stop');
      return undefined;
    }
    const text = this.matcher.push(this.detokenizer.push(id));
    const { constraint, topLogprobs } = this.request;
    const token =
      topLogprobs === undefined || logits === undefined
        ? { id, text }
        : { id, text, logprobs: logprobs(logits, id, topLogprobs) };
    this.tokens.push(token);
    await constraint?.accept(id);
    if (this.matcher.matched !== undefined) this.finishReason = 'stop';
    else if (constraint?.ended === true) this.finish('stop');
    else if (this.tokens.length >= this.request.maxTokens) this.finish('length');
    const at = this.request.prompt.nextPosition + this.tokens.length - 1;
    this.newest = { id, position: new Int32Array(this.request.prompt.axes).fill(at) };
    return token;
  }

  free(): void {
    for (const cache of this.caches) cache.free();
  }

  private finish(reason: 'stop' | 'length'): void {
    this.finishReason = reason;
    this.trailing = this.matcher.push(this.detokenizer.flush()) + this.matcher.flush();
  }
}
