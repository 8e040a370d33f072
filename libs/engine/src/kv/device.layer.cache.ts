import { Tensor } from '@madakv/onnx';
import type { KvLedger } from './kv.ledger.js';
import { TAIL_ROWS, type CacheFeeds, type KvShape, type LayerCache } from './kv.memory.js';
import { KvTensors } from './kv.tensors.js';

/** A layer's cache in a device's memory. Runs return the tail with a new token appended; it is never larger than its rows. */
export class DeviceLayerCache implements LayerCache {
  private tail: KvTensors | undefined;
  private readonly noTail: Tensor;

  /** @param part keys and values `[heads, rows, dim]`, the cache's from now on */
  constructor(
    shape: KvShape,
    private part: KvTensors,
    private readonly ledger: KvLedger,
  ) {
    this.noTail = new Tensor('float32', new Float32Array(0), [0, shape.heads, shape.dim]);
  }

  get bytes(): number {
    return this.part.bytes + (this.tail?.bytes ?? 0);
  }

  get tailIsFull(): boolean {
    return this.tail !== undefined && this.tail.keys.dims[0] >= TAIL_ROWS;
  }

  feeds(): CacheFeeds {
    return {
      keys: this.part.keys,
      values: this.part.values,
      tailKeys: this.tail?.keys ?? this.noTail,
      tailValues: this.tail?.values ?? this.noTail,
    };
  }

  /** Takes over the tail with a new token behind it. @param keys, values `[tail + 1, heads, dim]` */
  replaceTail(keys: Tensor, values: Tensor): void {
    const longer = new KvTensors(keys, values, this.ledger);
    this.tail?.free();
    this.tail = longer;
  }

  /** Takes over the part with the tail folded in. @param keys, values `[heads, rows + tail, dim]` */
  replacePart(keys: Tensor, values: Tensor): void {
    const folded = new KvTensors(keys, values, this.ledger);
    this.free();
    this.part = folded;
    this.tail = undefined;
  }

  free(): void {
    this.part.free();
    this.tail?.free();
  }
}
