import { mergeEvicted, type LayerSelection } from '@madakv/madakv';
import { Tensor, type Session, type Tensors } from '@madakv/onnx';
import { HostLayerCache } from './host.layer.cache.js';
import { HostLayerRows } from './host.layer.rows.js';
import type { KvFormat } from './kept.part.js';
import { allOrNone, KvBuffer, type KvLedger } from './kv.ledger.js';
import type { KvShape, Projections, PromptBuffer } from './kv.memory.js';

/** One layer's full cache in JavaScript's memory, allocated once for the whole prompt and read in place. */
export class HostPromptBuffer implements PromptBuffer {
  private readonly keys: KvBuffer;
  private readonly values: KvBuffer;
  private filled = 0;
  private marked = 0;

  constructor(
    private readonly shape: KvShape,
    private readonly tokens: number,
    ledger: KvLedger,
    private readonly attention: Session,
    private readonly format: KvFormat,
  ) {
    const length = shape.heads * tokens * shape.dim;
    const buffer = () => new KvBuffer(length, ledger);
    [this.keys, this.values] = allOrNone<[KvBuffer, KvBuffer]>(buffer, buffer);
  }

  async attend(chunk: Projections): Promise<Tensor> {
    const past = this.filled;
    const rows = chunk.k.dims[0];
    const { attn } = await this.attention.run({
      q: chunk.q,
      k: chunk.k,
      v: chunk.v,
      ...this.past(past),
      last: new Tensor('int32', Int32Array.of(past + rows - 1), [1]),
      total: new Tensor('int32', Int32Array.of(past + rows), [1]),
    });
    this.write(chunk);
    return attn;
  }

  append(chunk: Projections): Promise<void> {
    this.write(chunk);
    return Promise.resolve();
  }

  allKeys(): Tensor {
    return new Tensor('float32', this.keys.data, [this.shape.heads, this.tokens, this.shape.dim]);
  }

  evict(selection: LayerSelection, ledger: KvLedger): Promise<HostLayerCache> {
    const { heads, dim } = this.shape;
    const { rows, kept } = selection;
    const cache = new HostLayerCache(this.shape, rows, ledger, this.format);
    const all = { keys: this.keys.data, values: this.values.data };
    // Held-back rows lie behind the candidates; counting them in only gives the distance between heads.
    const merged =
      selection.merge === undefined
        ? undefined
        : mergeEvicted({ ...all, heads, dim, candidates: this.tokens, kept, rows }, selection.merge);
    const source = merged ?? all;
    const rowsThere = merged === undefined ? this.tokens : rows;
    const inOrder = Int32Array.from({ length: rows }, (_, row) => row);
    for (let head = 0; head < heads; head++) {
      const [from, to] = [head * rowsThere * dim, (head + 1) * rowsThere * dim];
      const tokens = merged === undefined ? kept.subarray(head * rows, (head + 1) * rows) : inOrder;
      cache.gather(head, source.keys.subarray(from, to), source.values.subarray(from, to), tokens);
    }
    return Promise.resolve(cache);
  }

  copyRows(rows: number, ledger: KvLedger): HostLayerRows {
    if (rows > this.filled) throw new Error(`${rows} rows wanted of ${this.filled}`);
    const copy = new HostLayerRows(this.shape, rows, ledger);
    this.copyHeads(this.keys.data, copy.keys.data, rows);
    this.copyHeads(this.values.data, copy.values.data, rows);
    return copy;
  }

  load(source: HostLayerRows, count: number): void {
    this.copyHeads(source.keys.data, this.keys.data, count);
    this.copyHeads(source.values.data, this.values.data, count);
    this.filled = count;
  }

  mark(): void {
    this.marked = this.filled;
  }

  rewind(): void {
    this.filled = this.marked;
  }

  reset(): void {
    this.filled = 0;
    this.marked = 0;
  }

  free(): void {
    this.keys.free();
    this.values.free();
  }

  /** The first `rows` rows of every head, as the prefill attention takes them. */
  private past(rows: number): Tensors {
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

  /** The first `rows` rows of every head, between buffers of any length. */
  private copyHeads(from: Float32Array, to: Float32Array, rows: number): void {
    const { heads, dim } = this.shape;
    const [fromHead, toHead] = [from.length / heads, to.length / heads];
    for (let head = 0; head < heads; head++) {
      to.set(from.subarray(head * fromHead, head * fromHead + rows * dim), head * toHead);
    }
  }

  private write(chunk: Projections): void {
    const { heads, dim } = this.shape;
    const keys = chunk.k.data as Float32Array;
    const values = chunk.v.data as Float32Array;
    const rows = chunk.k.dims[0];
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
}
