/**
 * The interface between the engine and an eviction policy.
 *
 * One request goes like this:
 *
 * 1. `policy.observe(prompt)` says whose attention the engine has to record during prefill;
 * 2. `policy.start(prompt, model, grant)` plans the request and returns a selector (it throws `GrantTooSmallError`
 *    when the grant cannot hold the floors; `policy.minimumTokensPerHead` tells that beforehand);
 * 3. `selector.select(layer, importance)` is called once a layer, in order 0..L-1, and says which rows survive.
 *
 * Positions count prompt tokens from 0. *Candidates* are the positions below `tokens - heldBack`; held-back tokens are
 * replayed after eviction and take one row of every layer's grant without being chosen.
 */

/** An image (or video) in the prompt: `frames * rows * cols` merged cells, row by row, frame after frame. */
export interface Grid {
  /** Position of the first cell. */
  readonly start: number;
  readonly rows: number;
  readonly cols: number;
  /** Frames of a video, 1 for an image (the default). */
  readonly frames?: number;
}

/** What the engine knows about a prompt before prefill. */
export interface PromptLayout {
  /** N: all prompt tokens. */
  readonly tokens: number;
  /** 0 or 1: how many of the last prompt tokens are replayed after eviction. */
  readonly heldBack: number;
  /** Names of the modalities, for instance `['text', 'visual']`: a list, never a pair. */
  readonly modalities: readonly string[];
  /** `[tokens]`: index into `modalities`. */
  readonly modalityOf: Uint8Array;
  /** Images in the prompt, in any order, not overlapping. */
  readonly grids: readonly Grid[];
  /** Mean bytes (UTF-8) that a token of text stands for; 1, as for a model that reads bytes, where absent. */
  readonly textBytesPerToken?: number;
  /** `[start, end)`: the last text part of the last user turn and what the template adds after it. */
  readonly question: { readonly start: number; readonly end: number };
}

/** The part of a model that a policy has to know. */
export interface ModelShape {
  readonly layers: number;
  /** KV heads a layer. */
  readonly heads: number;
}

/** The cache a request was granted. */
export interface Grant {
  /**
   * Mean rows a head and layer may keep, held-back tokens included (phi^1 of the paper: ratio * N). The request's total
   * is `tokensPerHead * layers` rows a head; how it is spread over layers is the policy's affair. May be fractional.
   */
  readonly tokensPerHead: number;
}

/** Whose attention a policy wants to see. */
export type Observation =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'queries';
      /** Positions of the queries to record, ascending; the last prompt token may be among them even when held back. */
      readonly positions: Int32Array;
      /** `[positions]`: factor of each query in the sum. */
      readonly weights: Float32Array;
      /** How the query heads that share a KV head are joined. */
      readonly groupReduction: 'sum' | 'max';
    }
  /** Every prompt query, sum over query heads of a group: quadratic in the prompt, exact. */
  | { readonly kind: 'all' };

/** What the evicted rows of a layer are used for before they are freed (see `mergeEvicted`). */
export interface MergePlan {
  readonly kind: 'look-m';
  readonly method: MergeMethod;
  /** `[candidates]`: 1 where an evicted row is folded into its nearest kept row, 0 where it is dropped. */
  readonly mergeable: Uint8Array;
}

/** How LOOK-M joins evicted rows with the kept row nearest to them. */
export type MergeMethod = 'pivotal' | 'averaged' | 'weighted';

/** What one layer keeps, and why. */
export interface LayerSelection {
  /** r: candidates kept a head, the same for every head of the layer. */
  readonly rows: number;
  /** `[heads, rows]`: candidate positions, ascending and unique within a head. */
  readonly kept: Int32Array;
  /** phi^l: the target this layer started from, in candidate rows a head. */
  readonly target: number;
  /** Mean over heads of sum over m of k_m (9), in candidate rows; equals `rows` for policies that measure no demand. */
  readonly demand: number;
  /** K^l (10), mean over heads; 0 for policies without compensation. */
  readonly compensation: number;
  /** `[heads, modalities]`: kept candidates by modality. */
  readonly keptByModality: Int32Array;
  /**
   * `[heads, modalities]`: w_m (6), normalised to a sum of 1 a head. Share of tokens where nothing was observed or
   * nothing carries weight; all 0 where there is no token to weigh.
   */
  readonly preference: Float32Array;
  /** Present where evicted rows are folded into kept ones. */
  readonly merge?: MergePlan;
}

/** Chooses the rows of one request, layer by layer. Holds the state of that request only. */
export interface LayerSelector {
  /**
   * @param layer 0..L-1, each once and in order.
   * @param importance `[heads, tokens]` psi as asked for by `observe`, finite and not negative; entries of held-back
   *   positions are ignored. May be empty when the observation is `none`. Not changed and not kept.
   * @throws {ImportanceError} when the shape is wrong, a value is not a finite number >= 0, or a layer is out of order.
   */
  select(layer: number, importance: Float32Array): LayerSelection;
}

/** A rule that decides which rows of the KV cache survive prefill. Stateless: one object serves all requests. */
export interface EvictionPolicy {
  readonly name: string;
  observe(prompt: PromptLayout): Observation;
  /** The smallest `Grant.tokensPerHead` with which `start` succeeds for this prompt, whatever the model. */
  minimumTokensPerHead(prompt: PromptLayout): number;
  /**
   * @throws {GrantTooSmallError} when the grant cannot hold the floors.
   * @throws {PromptLayoutError} when the layout contradicts itself.
   */
  start(prompt: PromptLayout, model: ModelShape, grant: Grant): LayerSelector;
}
