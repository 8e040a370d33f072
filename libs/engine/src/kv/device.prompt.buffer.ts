import { mergeEvicted, type LayerSelection } from '@madakv/madakv';
import { Tensor, viewOf, type Session, type Tensors } from '@madakv/onnx';
import { DeviceLayerCache } from './device.layer.cache.js';
import type { KvLedger } from './kv.ledger.js';
import type { KvShape, LayerCache, Projections, PromptBuffer } from './kv.memory.js';
import { KvTensors } from './kv.tensors.js';

/** Sessions of a prompt's cache, see the graphs of the same names. Outputs stay on the device, those of `download` do not. */
export interface DevicePromptSessions {
  readonly prefill: Session;
  readonly empty: Session;
  readonly evict: Session;
  readonly download: Session;
  readonly upload: Session;
}

/** Gives out room on the device for an attention's output, good until it is asked for again: `[rows, heads * dim]`. */
export type Scratch = (rows: number) => Promise<Tensor>;

/** One layer's full cache in a device's memory, allocated once for the whole prompt, before its first rows, and written into place. */
export class DevicePromptBuffer implements PromptBuffer {
  private tensors: KvTensors | undefined;
  private filled = 0;
  private marked = 0;

  constructor(
    private readonly shape: KvShape,
    private readonly tokens: number,
    private readonly ledger: KvLedger,
    private readonly sessions: DevicePromptSessions,
    private readonly scratch: Scratch,
  ) {}

  async attend({ q, k, v }: Projections): Promise<Tensor> {
    const { keys, values } = await this.allocate();
    const rows = k.dims[0];
    const total = this.filled + rows;
    const attn = await this.scratch(rows);
    await this.sessions.prefill.run(
      { q, k, v, keys_0: keys, values_0: values, last_0: count(total - 1), total_0: count(total) },
      { attn, new_keys_0: keys, new_values_0: values },
    );
    this.filled = total;
    return viewOf(attn, attn.dims);
  }

  /** The operator that writes rows into place attends as well; where nobody wants that it is done in vain, in the last layer only. */
  async append(chunk: Projections): Promise<void> {
    await this.attend(chunk);
  }

  allKeys(): Tensor {
    const { heads, dim } = this.shape;
    return viewOf(this.all().keys, [heads, this.tokens, dim]);
  }

  /** A selection that merges reads the layer back: that arithmetic is the host's. */
  async evict(selection: LayerSelection, ledger: KvLedger): Promise<LayerCache> {
    const { rows, kept, merge } = selection;
    const results =
      merge === undefined
        ? await this.gather(rows, kept)
        : await this.sessions.upload.run(await this.merged(selection, merge));
    return new DeviceLayerCache(results['keys'], results['values'], ledger);
  }

  copyRows(): never {
    throw new Error('rows in a device’s memory are not kept');
  }

  load(): never {
    throw new Error('rows in a device’s memory are not kept');
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
    this.tensors?.free();
    this.tensors = undefined;
    this.reset();
  }

  private async allocate(): Promise<KvTensors> {
    if (this.tensors === undefined) {
      const { heads, dim } = this.shape;
      const shape = new Tensor('int64', BigInt64Array.from([1, heads, this.tokens, dim], BigInt), [4]);
      const { keys, values } = (await this.sessions.empty.run({ shape })) as { keys: Tensor; values: Tensor };
      this.tensors = new KvTensors(keys, values, this.ledger);
    }
    return this.tensors;
  }

  private all(): KvTensors {
    if (this.tensors === undefined) throw new Error('the prompt buffer is empty');
    return this.tensors;
  }

  /** Copies `rows` rows of every head. @param kept their positions, head after head */
  private gather(rows: number, kept: Int32Array): Promise<Tensors> {
    const { keys, values } = this.all();
    const flat = kept.map((position, i) => Math.floor(i / rows) * this.tokens + position);
    const indices = new Tensor('int32', flat, [flat.length]);
    return this.sessions.evict.run({ from_keys: keys, from_values: values, rows: indices });
  }

  /** The kept rows `[1, heads, rows, dim]` with evicted ones folded in, on the host. */
  private async merged({ kept, rows }: LayerSelection, plan: NonNullable<LayerSelection['merge']>): Promise<Tensors> {
    const { heads, dim } = this.shape;
    const { keys, values } = this.all();
    const host = await this.sessions.download.run({ from_keys: keys, from_values: values });
    const all = { keys: host['keys'].data as Float32Array, values: host['values'].data as Float32Array };
    // Held-back rows lie behind the candidates; counting them in only gives the distance between heads.
    const merged = mergeEvicted({ ...all, heads, dim, candidates: this.tokens, kept, rows }, plan);
    const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [1, heads, rows, dim]);
    return { from_keys: tensor(merged.keys), from_values: tensor(merged.values) };
  }
}

/** A number as an operator takes it. */
export function count(value: number): Tensor {
  return new Tensor('int32', Int32Array.of(value), [1]);
}
