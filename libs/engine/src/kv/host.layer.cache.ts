import { Tensor } from '@madakv/onnx';
import { newKeptPart, type KeptPart, type KvPrecision } from './kept.part.js';
import { KvBuffer, type KvLedger } from './kv.ledger.js';
import { TAIL_ROWS, type CacheFeeds, type KvShape, type LayerCache } from './kv.memory.js';

/** A layer's cache in JavaScript's memory. The tail is allocated at its full size, so that new tokens are written into place. */
export class HostLayerCache implements LayerCache {
  private part: KeptPart;
  /** Allocated with the first new token: a prompt that is only being read needs none. */
  private tailBuffers: { readonly keys: KvBuffer; readonly values: KvBuffer } | undefined;
  private tail = 0;

  constructor(
    private readonly shape: KvShape,
    rows: number,
    private readonly ledger: KvLedger,
    precision: KvPrecision = 'fp32',
  ) {
    this.part = newKeptPart(precision, shape, rows, ledger);
  }

  get bytes(): number {
    const tail = this.tailBuffers;
    return this.part.bytes + (tail === undefined ? 0 : tail.keys.bytes + tail.values.bytes);
  }

  feeds(): CacheFeeds {
    const { heads, dim } = this.shape;
    const tail = (buffer: KvBuffer | undefined): Tensor =>
      new Tensor('float32', buffer?.data.subarray(0, this.tail * heads * dim) ?? new Float32Array(0), [
        this.tail,
        heads,
        dim,
      ]);
    return {
      ...this.part.feeds(),
      tailKeys: tail(this.tailBuffers?.keys),
      tailValues: tail(this.tailBuffers?.values),
    };
  }

  /** Writes one kept row of one head. @param key, value `[dim]` */
  set(head: number, row: number, key: Float32Array, value: Float32Array): void {
    this.part.set(head, row, key, value);
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
    this.part.free();
    this.tailBuffers?.keys.free();
    this.tailBuffers?.values.free();
  }

  private fold(tail: { readonly keys: KvBuffer; readonly values: KvBuffer }): void {
    const { heads, dim } = this.shape;
    const before = this.part.rows;
    this.part = this.part.grow(before + this.tail);
    for (let row = 0; row < this.tail; row++) {
      for (let head = 0; head < heads; head++) {
        const from = (row * heads + head) * dim;
        const to = from + dim;
        this.part.set(head, before + row, tail.keys.data.subarray(from, to), tail.values.data.subarray(from, to));
      }
    }
    this.tail = 0;
  }
}
