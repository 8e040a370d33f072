import { release, type Tensor } from '@madakv/onnx';
import type { KvLedger } from './kv.ledger.js';

/** Keys and values of a cache in a device's memory, entered in the ledger from the run that made them until they are freed. */
export class KvTensors {
  readonly bytes: number;
  private freed = false;

  /** @param keys, values `[1, heads, rows, dim]` */
  constructor(
    readonly keys: Tensor,
    readonly values: Tensor,
    private readonly ledger: KvLedger,
  ) {
    this.bytes = bytesOf(keys) + bytesOf(values);
    ledger.charge(this.bytes);
  }

  /** Rows that there is room for. */
  get rows(): number {
    return this.keys.dims[2];
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

function bytesOf({ size, type }: Tensor): number {
  return size * (type === 'float16' ? 2 : Float32Array.BYTES_PER_ELEMENT);
}
