import { release, type Tensor } from '@madakv/onnx';
import type { KvLedger } from './kv.ledger.js';

/** Keys and values of a cache in a device's memory, entered in the ledger from the run that made them until they are freed. */
export class KvTensors {
  readonly bytes: number;
  private freed = false;

  constructor(
    readonly keys: Tensor,
    readonly values: Tensor,
    private readonly ledger: KvLedger,
  ) {
    this.bytes = (keys.size + values.size) * Float32Array.BYTES_PER_ELEMENT;
    ledger.charge(this.bytes);
  }

  /** Freeing twice does nothing. */
  free(): void {
    if (this.freed) return;
    this.freed = true;
    release(this.keys);
    release(this.values);
    this.ledger.charge(-this.bytes);
  }
}
