import type { DecoderConfig, RotaryTable } from '@madakv/models';
import { release, Tensor, type Session, type Tensors } from '@madakv/onnx';
import type { KvMemory, Projections } from '../kv/kv.memory.js';

/** What a decoder runs on. */
export interface DecoderSessions {
  /** `layers + 1` stages, see `decoderStage`. */
  readonly stages: readonly Session[];
  /** `importanceScore`, shared by all layers. */
  readonly importance: Session;
  /** Adds features of images behind a layer; for a decoder with `visualLayers`. */
  readonly visualSum?: Session;
  /** Caches and the attentions over them. */
  readonly memory: KvMemory;
  /** Rows given to the half of a stage that has nothing to do; their results are dropped. Not every kernel can run on none. */
  readonly idleRows: number;
}

/**
 * Runs the halves of a decoder's layers. Tensors are on the CPU or on the provider's device, as its sessions leave them; those
 * returned are the caller's to free, those passed in stay the caller's.
 */
export class Decoder {
  private readonly idle: Tensors;
  private readonly nothingFresh: Tensor;
  private readonly nothingEnded: Tensors;

  constructor(
    readonly config: DecoderConfig,
    private readonly sessions: DecoderSessions,
  ) {
    const zeros = (...dims: number[]): Tensor =>
      new Tensor('float32', new Float32Array(dims.reduce((product, dim) => product * dim, 1)), dims);
    const half = config.headDim / 2;
    const { idleRows: rows } = sessions;
    this.nothingFresh = zeros(0, config.hiddenSize);
    this.nothingEnded = { x: this.nothingFresh, attn: zeros(0, this.queryWidth), skip: count(0) };
    this.idle = { fresh: zeros(rows, config.hiddenSize), cos: zeros(1, rows, half), sin: zeros(1, rows, half) };
  }

  get memory(): KvMemory {
    return this.sessions.memory;
  }

  get queryWidth(): number {
    return this.config.heads * this.config.headDim;
  }

  /** First half of a layer. @param x `[rows, hidden]` */
  async beginLayer(layer: number, x: Tensor, rotary: RotaryTable): Promise<Projections> {
    const ended = layer === 0 ? {} : this.nothingEnded;
    const results = await this.stage(layer, { ...ended, fresh: x, ...this.angles(rotary) });
    if (layer > 0) release(results['y']);
    return { q: results['q'], k: results['k'], v: results['v'] };
  }

  /** Second half of a layer. @param x, attention `[rows, hidden]`, `[rows, heads * dim]`. @returns `[rows, hidden]` */
  async endLayer(layer: number, x: Tensor, attention: Tensor): Promise<Tensor> {
    const idle = layer + 1 < this.config.layers ? this.idle : {};
    const { y, ...unused } = await this.stage(layer + 1, { x, attn: attention, skip: count(x.dims[0]), ...idle });
    for (const name in unused) release(unused[name]);
    return y;
  }

  /** Adds features of images to what has passed one of the `visualLayers`. @param x, added `[rows, hidden]`. @returns `[rows, hidden]` */
  async addVisual(x: Tensor, added: Tensor): Promise<Tensor> {
    const { visualSum } = this.sessions;
    if (visualSum === undefined) throw new Error('the decoder takes no features behind its layers');
    return (await visualSum.run({ x, added }))['y'];
  }

  /** Ends one layer and begins the next in one run. */
  async crossLayer(
    layer: number,
    x: Tensor,
    attention: Tensor,
    rotary: RotaryTable,
  ): Promise<Projections & { readonly y: Tensor }> {
    const results = await this.stage(layer + 1, {
      x,
      attn: attention,
      skip: count(0),
      fresh: this.nothingFresh,
      ...this.angles(rotary),
    });
    return { q: results['q'], k: results['k'], v: results['v'], y: results['y'] };
  }

  /**
   * Ends the last layer and computes the logits.
   * @param skip how many of the first rows need none
   * @returns `[rows - skip, vocab]`
   */
  async logits(x: Tensor, attention: Tensor, skip = 0): Promise<Float32Array> {
    const { y, logits } = await this.stage(this.config.layers, { x, attn: attention, skip: count(skip) });
    release(y);
    return logits.data as Float32Array;
  }

  /**
   * Weighted attention of some of a prompt's queries to all of its keys.
   * @param queries `[queries, heads * dim]`
   * @param positions `[queries]` index of each query in the prompt
   * @param keys `[kvHeads, tokens, dim]`
   * @param index `[tokens]`: 0, 1, 2, ...
   * @returns `[kvHeads, group, tokens]`
   */
  async importance(
    queries: Tensor,
    positions: Float32Array,
    weights: Float32Array,
    keys: Tensor,
    index: Tensor,
  ): Promise<Float32Array> {
    const column = (values: Float32Array): Tensor => new Tensor('float32', values, [values.length, 1]);
    const { importance } = await this.sessions.importance.run({
      q: queries,
      keys,
      position: column(positions),
      index,
      weight: column(weights),
    });
    return importance.data as Float32Array;
  }

  private stage(index: number, feeds: Tensors): Promise<Tensors> {
    return this.sessions.stages[index].run(feeds);
  }

  private angles({ cos, sin }: RotaryTable): Tensors {
    const half = this.config.headDim / 2;
    const table = (data: Float32Array): Tensor => new Tensor('float32', data, [1, data.length / half, half]);
    return { cos: table(cos), sin: table(sin) };
  }
}

function count(value: number): Tensor {
  return new Tensor('int64', BigInt64Array.of(BigInt(value)), [1]);
}
