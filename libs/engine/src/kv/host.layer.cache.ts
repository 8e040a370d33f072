import { Tensor } from '@madakv/onnx';
import { KvBuffer, type KvLedger } from './kv.ledger.js';
import { TAIL_ROWS, type CacheFeeds, type KvShape, type LayerCache } from './kv.memory.js';

/** A layer's cache in JavaScript's memory. The tail is allocated at its full size, so that new tokens are written into place. */
export class HostLayerCache implements LayerCache {
  keys: KvBuffer;
  values: KvBuffer;
  /** Allocated with the first new token: a prompt that is only being read needs none. */
  private tailBuffers: { readonly keys: KvBuffer; readonly values: KvBuffer } | undefined;
  private tail = 0;

  constructor(
    private readonly shape: KvShape,
    private rows: number,
    private readonly ledger: KvLedger,
  ) {
    const { heads, dim } = shape;
    this.keys = new KvBuffer(heads * rows * dim, ledger);
    this.values = new KvBuffer(heads * rows * dim, ledger);
  }

  get bytes(): number {
    return this.buffers().reduce((sum, buffer) => sum + buffer.bytes, 0);
  }

  feeds(): CacheFeeds {
    const { heads, dim } = this.shape;
    const whole = (buffer: KvBuffer): Tensor => new Tensor('float32', buffer.data, [heads, this.rows, dim]);
    const tail = (buffer: KvBuffer | undefined): Tensor =>
      new Tensor('float32', buffer?.data.subarray(0, this.tail * heads * dim) ?? new Float32Array(0), [
        this.tail,
        heads,
        dim,
      ]);
    return {
      keys: whole(this.keys),
      values: whole(this.values),
      tailKeys: tail(this.tailBuffers?.keys),
      tailValues: tail(this.tailBuffers?.values),
    };
  }

  /** Appends one token. @param key, value `[heads * dim]` */
  append(key: Float32Array, value: Float32Array): void {
    const rowLength = this.shape.heads * this.shape.dim;
    this.tailBuffers ??= {
      keys: new KvBuffer(TAIL_ROWS * rowLength, this.ledger),
      values: new KvBuffer(TAIL_ROWS * rowLength, this.ledger),
    };
    this.tailBuffers.keys.data.set(key, this.tail * rowLength);
    this.tailBuffers.values.data.set(value, this.tail * rowLength);
    this.tail++;
    if (this.tail === TAIL_ROWS) this.fold(this.tailBuffers);
  }

  free(): void {
    for (const buffer of this.buffers()) buffer.free();
  }

  private buffers(): KvBuffer[] {
    const tail = this.tailBuffers;
    return [this.keys, this.values, ...(tail === undefined ? [] : [tail.keys, tail.values])];
  }

  private fold(tail: { readonly keys: KvBuffer; readonly values: KvBuffer }): void {
    this.keys = this.folded(this.keys, tail.keys);
    this.values = this.folded(this.values, tail.values);
    this.rows += this.tail;
    this.tail = 0;
  }

  private folded(part: KvBuffer, tail: KvBuffer): KvBuffer {
    const { heads, dim } = this.shape;
    const rows = this.rows + this.tail;
    const joined = new KvBuffer(heads * rows * dim, this.ledger);
    for (let head = 0; head < heads; head++) {
      joined.data.set(part.data.subarray(head * this.rows * dim, (head + 1) * this.rows * dim), head * rows * dim);
      for (let row = 0; row < this.tail; row++) {
        const from = (row * heads + head) * dim;
        joined.data.set(tail.data.subarray(from, from + dim), (head * rows + this.rows + row) * dim);
      }
    }
    part.free();
    return joined;
  }
}
