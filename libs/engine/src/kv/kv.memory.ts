import type { LayerSelection } from '@madakv/madakv';
import type { Tensor } from '@madakv/onnx';
import type { KvLedger } from './kv.ledger.js';

/** Shape of one layer's cache. */
export interface KvShape {
  readonly heads: number;
  readonly dim: number;
}

/** Query, key and value rows of one layer: `[rows, heads * dim]`, `[rows, kvHeads * dim]` twice. */
export interface Projections {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/**
 * Where caches live, and the attentions that read them there: in JavaScript's memory, which CPU sessions read in place, or
 * in a device's. A tensor that a method returns is the caller's to free, and an attention's good until the next one is asked for; tensors
 * passed in stay the caller's.
 */
export interface KvMemory {
  newPromptBuffer(tokens: number, ledger: KvLedger): PromptBuffer;
  /** Whether rows of several prompts may pass a stage in one run: where matrices can be cut and joined without a copy to and fro. */
  readonly packsRows: boolean;
  /** Whether its prompt buffers can copy rows out and begin with such copies. */
  readonly keepsRows: boolean;
  /**
   * Attention of one new token a sequence over the sequence's cache, to which the token's key and value are appended.
   * @returns `[sequences, heads * dim]`
   */
  attend(fresh: Projections, caches: readonly LayerCache[]): Promise<Tensor>;
  /** Copies some rows of a matrix. @returns `[rows.length, columns]` */
  pickRows(matrix: Tensor, rows: Int32Array): Promise<Tensor>;
  /** Frees what it holds beside caches, which are their owners'. */
  close(): void;
}

/** The full cache of one layer while a prompt passes through it: keys and values `[heads, tokens, dim]`. */
export interface PromptBuffer {
  /**
   * Causal attention of the prompt's next rows over those in the buffer and themselves; appends them.
   * @returns `[rows, heads * dim]`
   */
  attend(chunk: Projections): Promise<Tensor>;
  /** Appends rows without attention. */
  append(chunk: Projections): Promise<void>;
  /** Keys of the prompt, the buffer's own: `[heads, tokens, dim]`, or only the rows that are filled. */
  allKeys(): Tensor;
  /**
   * Copies what a selection keeps into a cache of just that size. The buffer itself stays, for the next selection or layer.
   * @param ledger is charged for the cache
   */
  evict(selection: LayerSelection, ledger: KvLedger): Promise<LayerCache>;
  /**
   * A copy of the first rows, which stays when the buffer goes.
   * @param ledger is charged for it
   * @throws RangeError where memory cannot be had; Error where the memory keeps no rows
   */
  copyRows(rows: number, ledger: KvLedger): LayerRows;
  /** Begins, empty as it is, with the first `count` rows of a copy. */
  load(rows: LayerRows, count: number): void;
  /** What is filled now is what `rewind` goes back to. */
  mark(): void;
  /** Forgets the rows behind the mark; without one, all. */
  rewind(): void;
  /** Makes the buffer empty and forgets the mark, for the next layer. */
  reset(): void;
  free(): void;
}

/** A copy of a layer's first rows: keys and values `[heads, rows, dim]`. */
export interface LayerRows {
  /** Bytes allocated. */
  readonly bytes: number;
  free(): void;
}

/** New tokens a cache's tail holds before it is folded into the compressed part. */
export const TAIL_ROWS = 64;

/** Rows a tail is allocated by. */
export const TAIL_STEP = 8;

/** One layer's cache of one sequence while it decodes: what was kept of the prompt, and new tokens. */
export interface LayerCache {
  /** Bytes allocated. */
  readonly bytes: number;
  free(): void;
}

/**
 * What the host's decode attention reads of a cache: a part `[heads, rows, dim]` in place, and a tail `[tail, heads, dim]` that new tokens
 * are appended to. A full tail is folded into the first part, so that the copy is paid once in {@link TAIL_ROWS} tokens.
 */
export interface CacheFeeds {
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly tailKeys: Tensor;
  readonly tailValues: Tensor;
  /** `[heads, rows]`, where keys and values are 8-bit codes. */
  readonly keyScales?: Tensor;
  readonly valueScales?: Tensor;
}
