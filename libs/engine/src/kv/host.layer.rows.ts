import { allOrNone, KvBuffer, type KvLedger } from './kv.ledger.js';
import type { KvShape, LayerRows } from './kv.memory.js';

/** Rows of one layer in JavaScript's memory, keys and values `[heads, rows, dim]`: a copy that outlives the prompt's buffer. */
export class HostLayerRows implements LayerRows {
  readonly keys: KvBuffer;
  readonly values: KvBuffer;

  /** @throws RangeError where memory cannot be had */
  constructor({ heads, dim }: KvShape, rows: number, ledger: KvLedger) {
    const buffer = () => new KvBuffer(heads * rows * dim, ledger);
    [this.keys, this.values] = allOrNone<[KvBuffer, KvBuffer]>(buffer, buffer);
  }

  get bytes(): number {
    return this.keys.bytes + this.values.bytes;
  }

  free(): void {
    this.keys.free();
    this.values.free();
  }
}
