import type { Tensor } from '@madakv/onnx';
import type { KvLedger } from './kv.ledger.js';
import type { LayerCache } from './kv.memory.js';
import { KvTensors } from './kv.tensors.js';

/** Rows a cache in a device's memory grows by: what is there is copied once in as many tokens. */
export const GROWTH_ROWS = 32;

/** A layer's cache in a device's memory: as many rows as were kept at first, later with room for some more, which runs write into. */
export class DeviceLayerCache implements LayerCache {
  private tensors: KvTensors;
  private filled: number;

  /** @param keys, values `[1, heads, rows, dim]`, all of them filled, the cache's from now on */
  constructor(
    keys: Tensor,
    values: Tensor,
    private readonly ledger: KvLedger,
  ) {
    this.tensors = new KvTensors(keys, values, ledger);
    this.filled = this.tensors.rows;
  }

  get bytes(): number {
    return this.tensors.bytes;
  }

  get keys(): Tensor {
    return this.tensors.keys;
  }

  get values(): Tensor {
    return this.tensors.values;
  }

  /** Rows of each head that are filled. */
  get rows(): number {
    return this.filled;
  }

  get isFull(): boolean {
    return this.filled === this.tensors.rows;
  }

  /** A run has written one more row. */
  appended(): void {
    this.filled++;
  }

  /** Takes over tensors that begin with the same rows. @param keys, values `[1, heads, more rows, dim]` */
  grow(keys: Tensor, values: Tensor): void {
    const longer = new KvTensors(keys, values, this.ledger);
    this.tensors.free();
    this.tensors = longer;
  }

  free(): void {
    this.tensors.free();
  }
}
