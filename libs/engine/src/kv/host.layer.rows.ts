import { KvBuffer, type KvLedger } from './kv.ledger.js';
import type { KvShape, LayerRows } from './kv.memory.js';

/** Rows of one layer in JavaScript's memory, keys and values `[heads, rows, dim]`: a copy that outlives the prompt's buffer. */
export class HostLayerRows implements LayerRows {
  readonly keys: KvBuffer;
  readonly values: KvBuffer;

  /** @throws RangeError where memory cannot be had */
  constructor({ heads, dim }: KvShape, rows: number, ledger: KvLedger) {
    this.keys = new KvBuffer(heads * rows * dim, ledger);
    try {
      this.values = new KvBuffer(heads * rows * dim, ledger);
    } catch (error) {
      this.keys.free();
      throw error;
    }
  }

  get bytes(): number {
    return this.keys.bytes + this.values.bytes;
  }

  free(): void {
    this.keys.free();
    this.values.free();
  }
}
