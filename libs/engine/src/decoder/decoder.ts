import type { DecoderConfig, RotaryTable } from '@madakv/models';
import { Tensor, type Session } from '@madakv/onnx';
import type { LayerCache } from '../kv/layer.cache.js';
import type { PromptBuffer } from '../kv/prompt.buffer.js';

/** Query, key and value rows of one layer: `[rows, heads * dim]`, `[rows, kvHeads * dim]` twice. */
export interface Projections {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
}

/** All sessions of a decoder. The attentions have no weights and are shared by all layers. */
export interface DecoderSessions {
  /** `layers + 1` stages, see `decoderStage`. */
  readonly stages: readonly Session[];
  readonly prefill: Session;
  /** By width, widest first; the last has width 1. */
  readonly decode: readonly { readonly width: number; readonly session: Session }[];
  readonly importance: Session;
}

const EMPTY = new Float32Array(0);
const matrix = (data: Float32Array, columns: number): Tensor =>
  new Tensor('float32', data, [columns === 0 ? 0 : data.length / columns, columns]);
const count = (value: number): Tensor => new Tensor('int64', BigInt64Array.of(BigInt(value)), [1]);

/** Runs a decoder's graphs: a layer's beginning and end, its attention over a prompt or over compressed caches. */
export class Decoder {
  private readonly noAngles: Tensor;

  constructor(
    readonly config: DecoderConfig,
    private readonly sessions: DecoderSessions,
  ) {
    this.noAngles = new Tensor('float32', EMPTY, [1, 0, config.headDim / 2]);
  }

  /** Floats of one key (or value) row over all heads. */
  get keyWidth(): number {
    return this.config.kvHeads * this.config.headDim;
  }

  get queryWidth(): number {
    return this.config.heads * this.config.headDim;
  }

  /** First half of a layer. @param x `[rows, hidden]` */
  async beginLayer(layer: number, x: Float32Array, rotary: RotaryTable): Promise<Projections> {
    const ended = layer === 0 ? {} : this.endFeeds(EMPTY, EMPTY, 0);
    const results = await this.stage(layer).run({ ...ended, ...this.beginFeeds(x, rotary) });
    return projections(results);
  }

  /** Second half of a layer. @param x, attention `[rows, hidden]`, `[rows, heads * dim]`. @returns `[rows, hidden]` */
  async endLayer(layer: number, x: Float32Array, attention: Float32Array): Promise<Float32Array> {
    const rows = x.length / this.config.hiddenSize;
    const feeds = this.endFeeds(x, attention, rows);
    if (layer + 1 < this.config.layers) {
      Object.assign(feeds, { fresh: matrix(EMPTY, this.config.hiddenSize), cos: this.noAngles, sin: this.noAngles });
    }
    return floats((await this.stage(layer + 1).run(feeds))['y']);
  }

  /** Ends one layer and begins the next in one run. */
  async crossLayer(
    layer: number,
    x: Float32Array,
    attention: Float32Array,
    rotary: RotaryTable,
  ): Promise<Projections & { readonly y: Float32Array }> {
    const results = await this.stage(layer + 1).run({
      ...this.endFeeds(x, attention, 0),
      ...this.beginFeeds(EMPTY, rotary),
    });
    return { ...projections(results), y: floats(results['y']) };
  }

  /**
   * Ends the last layer and computes the logits.
   * @param skip how many of the first rows need none
   * @returns `[rows - skip, vocab]`
   */
  async logits(x: Float32Array, attention: Float32Array, skip = 0): Promise<Float32Array> {
    return floats((await this.stage(this.config.layers).run(this.endFeeds(x, attention, skip)))['logits']);
  }

  /** Attention of a prompt's chunk whose keys and values are already appended to `buffer`, `past` rows before it. */
  async attendPrompt(chunk: Projections, buffer: PromptBuffer, past: number): Promise<Float32Array> {
    const rows = chunk.k.length / this.keyWidth;
    const results = await this.sessions.prefill.run({
      q: matrix(chunk.q, this.queryWidth),
      k: matrix(chunk.k, this.keyWidth),
      v: matrix(chunk.v, this.keyWidth),
      ...buffer.past(past),
      last: new Tensor('int32', Int32Array.of(past + rows - 1), [1]),
      total: new Tensor('int32', Int32Array.of(past + rows), [1]),
    });
    return floats(results['attn']);
  }

  /**
   * Attention of one new token a sequence over the sequences' caches, in batches of the widths that exist.
   * @returns `[sequences, heads * dim]`
   */
  async attendCaches(fresh: Projections, caches: readonly LayerCache[]): Promise<Float32Array> {
    const output = new Float32Array(caches.length * this.queryWidth);
    for (let start = 0; start < caches.length;) {
      const entry = this.sessions.decode.find(({ width }) => width <= caches.length - start);
      if (entry === undefined) throw new Error('no decode attention of width 1');
      const end = start + entry.width;
      const part = await this.attendBatch(entry.session, fresh, caches, start, end);
      if (end - start === caches.length) return part;
      output.set(part, start * this.queryWidth);
      start = end;
    }
    return output;
  }

  /**
   * Weighted attention of some of a prompt's queries to all of its keys.
   * @param queries `[queries, heads * dim]`
   * @param positions index of each query in the prompt
   * @returns `[kvHeads, group, tokens]`
   */
  async importance(
    queries: Float32Array,
    positions: Int32Array,
    weights: Float32Array,
    keys: Tensor,
    index: Tensor,
  ): Promise<Float32Array> {
    const results = await this.sessions.importance.run({
      q: matrix(queries, this.queryWidth),
      keys,
      position: new Tensor('float32', Float32Array.from(positions), [positions.length, 1]),
      index,
      weight: new Tensor('float32', weights, [weights.length, 1]),
    });
    return floats(results['importance']);
  }

  private async attendBatch(
    session: Session,
    fresh: Projections,
    caches: readonly LayerCache[],
    start: number,
    end: number,
  ): Promise<Float32Array> {
    const rows = (data: Float32Array, width: number): Tensor =>
      new Tensor('float32', data.subarray(start * width, end * width), [end - start, width]);
    const feeds: Record<string, Tensor> = {
      q: rows(fresh.q, this.queryWidth),
      k: rows(fresh.k, this.keyWidth),
      v: rows(fresh.v, this.keyWidth),
    };
    for (let b = start; b < end; b++) {
      const cache = caches[b].feeds();
      feeds[`keys_${b - start}`] = cache.keys;
      feeds[`values_${b - start}`] = cache.values;
      feeds[`tail_keys_${b - start}`] = cache.tailKeys;
      feeds[`tail_values_${b - start}`] = cache.tailValues;
    }
    return floats((await session.run(feeds))['attn']);
  }

  private stage(index: number): Session {
    return this.sessions.stages[index];
  }

  private endFeeds(x: Float32Array, attention: Float32Array, skip: number): Record<string, Tensor> {
    return { x: matrix(x, this.config.hiddenSize), attn: matrix(attention, this.queryWidth), skip: count(skip) };
  }

  private beginFeeds(x: Float32Array, rotary: RotaryTable): Record<string, Tensor> {
    const half = this.config.headDim / 2;
    const angles = (data: Float32Array): Tensor => new Tensor('float32', data, [1, data.length / half, half]);
    return { fresh: matrix(x, this.config.hiddenSize), cos: angles(rotary.cos), sin: angles(rotary.sin) };
  }
}

function projections(results: Record<string, Tensor>): Projections {
  return { q: floats(results['q']), k: floats(results['k']), v: floats(results['v']) };
}

function floats(tensor: Tensor): Float32Array {
  return tensor.data as Float32Array;
}
