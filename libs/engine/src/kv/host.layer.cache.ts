import { Tensor } from '@madakv/onnx';
import { newKeptPart, type KeptPart, type KvFormat } from './kept.part.js';
import { KvGrowingBuffer, type KvLedger } from './kv.ledger.js';
import { TAIL_ROWS, TAIL_STEP, type CacheFeeds, type KvShape, type LayerCache } from './kv.memory.js';

/** A layer's cache in JavaScript's memory. The tail grows in place, so that new tokens are written where attention reads them. */
export class HostLayerCache implements LayerCache {
  private part: KeptPart;
  private readonly tailKeys: KvGrowingBuffer;
  private readonly tailValues: KvGrowingBuffer;
  private tail = 0;

  constructor(
    private readonly shape: KvShape,
    rows: number,
    ledger: KvLedger,
    format: KvFormat = 'fp32',
  ) {
    this.part = newKeptPart(format, shape, rows, ledger);
    this.tailKeys = new KvGrowingBuffer(TAIL_ROWS * shape.heads * shape.dim, ledger);
    this.tailValues = new KvGrowingBuffer(TAIL_ROWS * shape.heads * shape.dim, ledger);
  }

  get bytes(): number {
    return this.part.bytes + this.tailKeys.bytes + this.tailValues.bytes;
  }

  /** What the decode attention reads; the cache's own. */
  feeds(): CacheFeeds {
    const { heads, dim } = this.shape;
    const tail = (buffer: KvGrowingBuffer): Tensor =>
      new Tensor('float32', buffer.data(this.tail * heads * dim), [this.tail, heads, dim]);
    return {
      ...this.part.feeds(),
      tailKeys: tail(this.tailKeys),
      tailValues: tail(this.tailValues),
    };
  }

  /** Writes one kept row of one head. @param key, value `[dim]` */
  set(head: number, row: number, key: Float32Array, value: Float32Array): void {
    this.part.set(head, row, key, value);
  }

  /** Writes all kept rows of one head. @param keys, values `[tokens, dim]`. @param tokens which of them, `[rows]` */
  gather(head: number, keys: Float32Array, values: Float32Array, tokens: Int32Array): void {
    this.part.gather(head, keys, values, tokens);
  }

  /** Appends one token. @param key, value `[heads * dim]` */
  append(key: Float32Array, value: Float32Array): void {
    if (this.tail % TAIL_STEP === 0) this.resizeTail(this.tail + TAIL_STEP);
    const at = this.tail * key.length;
    this.tail++;
    this.tailKeys.data(at + key.length).set(key, at);
    this.tailValues.data(at + value.length).set(value, at);
    if (this.tail === TAIL_ROWS) this.fold();
  }

  free(): void {
    this.part.free();
    this.resizeTail(0);
  }

  private resizeTail(rows: number): void {
    const length = rows * this.shape.heads * this.shape.dim;
    this.tailKeys.resize(length);
    this.tailValues.resize(length);
  }

  private fold(): void {
    const { heads, dim } = this.shape;
    const before = this.part.rows;
    this.part = this.part.grow(before + this.tail);
    const keys = this.tailKeys.data(this.tail * heads * dim);
    const values = this.tailValues.data(this.tail * heads * dim);
    for (let row = 0; row < this.tail; row++) {
      for (let head = 0; head < heads; head++) {
        const from = (row * heads + head) * dim;
        this.part.set(head, before + row, keys.subarray(from, from + dim), values.subarray(from, from + dim));
      }
    }
    this.tail = 0;
    this.resizeTail(0);
  }
}
