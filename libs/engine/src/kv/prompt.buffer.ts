import { mergeEvicted, type LayerSelection } from '@madakv/madakv';
import { Tensor, type Tensors } from '@madakv/onnx';
import { KvBuffer, type KvLedger } from './kv.ledger.js';
import { LayerCache } from './layer.cache.js';

/** Shape of one layer's cache. */
export interface KvShape {
  readonly heads: number;
  readonly dim: number;
}

/** The full cache of one layer while a prompt passes through it: keys and values `[heads, tokens, dim]`. */
export class PromptBuffer {
  private readonly keys: KvBuffer;
  private readonly values: KvBuffer;
  private filled = 0;

  constructor(
    private readonly shape: KvShape,
    private readonly tokens: number,
    private readonly ledger: KvLedger,
  ) {
    const length = shape.heads * tokens * shape.dim;
    this.keys = new KvBuffer(length, ledger);
    this.values = new KvBuffer(length, ledger);
  }

  /** Appends rows. @param keys, values `[rows, heads * dim]` */
  append(keys: Float32Array, values: Float32Array): void {
    const { heads, dim } = this.shape;
    const rows = keys.length / (heads * dim);
    for (let head = 0; head < heads; head++) {
      const base = (head * this.tokens + this.filled) * dim;
      for (let row = 0; row < rows; row++) {
        const from = (row * heads + head) * dim;
        this.keys.data.set(keys.subarray(from, from + dim), base + row * dim);
        this.values.data.set(values.subarray(from, from + dim), base + row * dim);
      }
    }
    this.filled += rows;
  }

  /** The first `rows` rows of every head, as the prefill attention takes them. */
  past(rows: number): Tensors {
    const { heads, dim } = this.shape;
    const feeds: Tensors = {};
    for (let head = 0; head < heads; head++) {
      const start = head * this.tokens * dim;
      const part = (buffer: KvBuffer): Tensor =>
        new Tensor('float32', buffer.data.subarray(start, start + rows * dim), [1, 1, rows, dim]);
      feeds[`past_keys_${head}`] = part(this.keys);
      feeds[`past_values_${head}`] = part(this.values);
    }
    return feeds;
  }

  /** All keys `[heads, tokens, dim]`. Only for a buffer that is full. */
  allKeys(): Tensor {
    return new Tensor('float32', this.keys.data, [this.shape.heads, this.tokens, this.shape.dim]);
  }

  /** Copies what a selection keeps into a cache of just that size. The buffer itself stays, for the next layer. */
  evict(selection: LayerSelection): LayerCache {
    const { heads, dim } = this.shape;
    const { rows, kept } = selection;
    const cache = new LayerCache(this.shape, rows, this.ledger);
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        const from = (head * this.tokens + kept[head * rows + row]) * dim;
        const to = (head * rows + row) * dim;
        cache.keys.data.set(this.keys.data.subarray(from, from + dim), to);
        cache.values.data.set(this.values.data.subarray(from, from + dim), to);
      }
    }
    if (selection.merge !== undefined) {
      const all = { keys: this.keys.data, values: this.values.data };
      // Held-back rows lie behind the candidates; counting them in only gives the distance between heads.
      const merged = mergeEvicted({ ...all, heads, dim, candidates: this.tokens, kept, rows }, selection.merge);
      cache.keys.data.set(merged.keys);
      cache.values.data.set(merged.values);
    }
    return cache;
  }

  /** Makes the buffer empty, to be filled by the next layer. */
  reset(): void {
    this.filled = 0;
  }

  free(): void {
    this.keys.free();
    this.values.free();
  }
}
