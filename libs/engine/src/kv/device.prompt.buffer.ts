import { mergeEvicted, type LayerSelection } from '@madakv/madakv';
import { Tensor, viewOf, type Session, type Tensors } from '@madakv/onnx';
import { DeviceLayerCache } from './device.layer.cache.js';
import type { KvLedger } from './kv.ledger.js';
import type { KvShape, LayerCache, Projections, PromptBuffer } from './kv.memory.js';
import { KvTensors } from './kv.tensors.js';

/** Sessions of a prompt's cache, see the graphs of the same names. Outputs stay on the device, those of `download` do not. */
export interface DevicePromptSessions {
  readonly prefill: Session;
  readonly append: Session;
  readonly evict: Session;
  readonly download: Session;
}

/**
 * One layer's full cache in a device's memory: as many rows as are filled. A run that appends returns new tensors, so that
 * for its duration the layer is held twice; rows that were marked are held beside the longer ones that begin with them.
 */
export class DevicePromptBuffer implements PromptBuffer {
  private filled: KvTensors | undefined;
  /** Rows that are gone back to: `filled` itself until rows follow them. */
  private marked: KvTensors | undefined;
  private readonly nothing: Tensor;

  constructor(
    private readonly shape: KvShape,
    private readonly ledger: KvLedger,
    private readonly sessions: DevicePromptSessions,
  ) {
    this.nothing = new Tensor('float32', new Float32Array(0), [1, shape.heads, 0, shape.dim]);
  }

  async attend({ q, k, v }: Projections): Promise<Tensor> {
    const total = this.rows + k.dims[0];
    const results = await this.sessions.prefill.run({
      q,
      k,
      v,
      ...this.past(),
      last: new Tensor('int32', Int32Array.of(total - 1), [1]),
      total: new Tensor('int32', Int32Array.of(total), [1]),
    });
    this.replace(results);
    return results['attn'];
  }

  async append({ k, v }: Projections): Promise<void> {
    this.replace(await this.sessions.append.run({ ...this.past(), fresh_keys: k, fresh_values: v }));
  }

  allKeys(): Tensor {
    const { heads, dim } = this.shape;
    return viewOf(this.all().keys, [heads, this.rows, dim]);
  }

  /** A selection that merges reads the layer back: that arithmetic is the host's. */
  async evict(selection: LayerSelection, ledger: KvLedger): Promise<LayerCache> {
    const { rows, kept, merge } = selection;
    const { keys, values } = this.all();
    const results =
      merge === undefined
        ? await this.gather(keys, values, rows, (i) => kept[i])
        : await this.merged(selection, merge).then((own) => this.gather(own.keys, own.values, rows, (i) => i % rows));
    return new DeviceLayerCache(this.shape, entered(results, ledger), ledger);
  }

  copyRows(): never {
    throw new Error('rows in a device’s memory are not kept');
  }

  load(): never {
    throw new Error('rows in a device’s memory are not kept');
  }

  mark(): void {
    if (this.marked !== this.filled) this.marked?.free();
    this.marked = this.filled;
  }

  rewind(): void {
    if (this.filled !== this.marked) this.filled?.free();
    this.filled = this.marked;
  }

  reset(): void {
    this.free();
  }

  free(): void {
    this.rewind();
    this.marked?.free();
    this.marked = undefined;
    this.filled = undefined;
  }

  private get rows(): number {
    return this.filled?.keys.dims[2] ?? 0;
  }

  private all(): KvTensors {
    if (this.filled === undefined) throw new Error('the prompt buffer is empty');
    return this.filled;
  }

  private past(): Tensors {
    return { past_keys: this.filled?.keys ?? this.nothing, past_values: this.filled?.values ?? this.nothing };
  }

  private replace(results: Tensors): void {
    const longer = entered(results, this.ledger);
    if (this.filled !== this.marked) this.filled?.free();
    this.filled = longer;
  }

  /** Copies `rows` rows of every head. @param position position in `keys` of row `i`, counted over all heads */
  private gather(keys: Tensor, values: Tensor, rows: number, position: (i: number) => number): Promise<Tensors> {
    const tokens = keys.dims[2];
    const flat = Int32Array.from(
      { length: this.shape.heads * rows },
      (_, i) => Math.floor(i / rows) * tokens + position(i),
    );
    const indices = new Tensor('int32', flat, [flat.length]);
    return this.sessions.evict.run({ from_keys: keys, from_values: values, rows: indices });
  }

  /** The kept rows `[1, heads, rows, dim]` with evicted ones folded in, on the host. */
  private async merged(
    { kept, rows }: LayerSelection,
    plan: NonNullable<LayerSelection['merge']>,
  ): Promise<{ keys: Tensor; values: Tensor }> {
    const { heads, dim } = this.shape;
    const filled = this.all();
    const host = await this.sessions.download.run({ from_keys: filled.keys, from_values: filled.values });
    const all = { keys: host['keys'].data as Float32Array, values: host['values'].data as Float32Array };
    const merged = mergeEvicted({ ...all, heads, dim, candidates: this.rows, kept, rows }, plan);
    const tensor = (data: Float32Array): Tensor => new Tensor('float32', data, [1, heads, rows, dim]);
    return { keys: tensor(merged.keys), values: tensor(merged.values) };
  }
}

function entered(results: Tensors, ledger: KvLedger): KvTensors {
  return new KvTensors(results['keys'], results['values'], ledger);
}
