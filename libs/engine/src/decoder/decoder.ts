import type { DecoderConfig, RotaryTable } from '@madakv/models';
import { release, Tensor, TensorScope, viewOf, type Session, type Tensors } from '@madakv/onnx';
import type { KvMemory, Projections } from '../kv/kv.memory.js';
import { argmax } from '../sampling/sampler.js';

/** Sessions that gather on a device what is read of it, since whoever reads waits for all that it has to do. */
export interface ReadSessions {
  /** `likeliestOfBlocks` */
  readonly likeliest: Session;
  /** `readMatrix` of logits */
  readonly logits: Session;
  /** `importanceScore` that adds, and `readMatrix` of what comes of it */
  readonly addImportance: Session;
  readonly importance: Session;
}

/** Queries to score: `[queries, heads * dim]`, and by query its index in the prompt and its weight. */
export interface QueryBlock {
  readonly rows: Tensor;
  readonly positions: Float32Array;
  readonly weights: Float32Array;
}

/** What a decoder runs on. */
export interface DecoderSessions {
  /** `layers + 1` stages, see `decoderStage`. */
  readonly stages: readonly Session[];
  /** `importanceScore`, shared by all layers. */
  readonly importance: Session;
  /** Adds features of images behind a layer; for a decoder with `visualLayers`. */
  readonly visualSum?: Session;
  /** Where results stay on a device. */
  readonly read?: ReadSessions;
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
    const logits = await this.lastStage(x, attention, skip);
    const { read } = this.sessions;
    if (read === undefined) return logits.data as Float32Array;
    try {
      return (await read.logits.run({ matrix: logits }))['read'].data as Float32Array;
    } finally {
      release(logits);
    }
  }

  /**
   * Ends the last layer and finds each row's likeliest token, the first of equals. On a device the logits are not read for it.
   * @returns `[rows]`
   */
  async likeliest(x: Tensor, attention: Tensor): Promise<Int32Array> {
    const { vocabSize } = this.config;
    const { read } = this.sessions;
    const logits = await this.lastStage(x, attention, 0);
    if (read === undefined) return eachRow(logits.data as Float32Array, vocabSize, argmax);
    try {
      const { likeliest } = await read.likeliest.run({ logits });
      const blocks = likeliest.dims[1] / 2;
      return eachRow(likeliest.data as Float32Array, 2 * blocks, (row) => {
        const block = argmax(row.subarray(0, blocks));
        return (block * vocabSize) / blocks + row[blocks + block];
      });
    } finally {
      release(logits);
    }
  }

  /**
   * Weighted attention of some of a prompt's queries to all of its keys, summed over the queries.
   * @param blocks one at least; each is scored by a run of its own
   * @param keys `[kvHeads, tokens, dim]`
   * @param index `[tokens]`: 0, 1, 2, ...
   * @returns `[kvHeads, group, tokens]`
   */
  async importance(blocks: readonly QueryBlock[], keys: Tensor, index: Tensor): Promise<Float32Array> {
    const { importance: first, read } = this.sessions;
    const scope = new TensorScope();
    try {
      let sum: Tensor | undefined;
      for (const block of blocks) {
        const feeds = { ...queryFeeds(block), keys, index };
        if (read !== undefined && sum !== undefined) {
          sum = scope.hold((await read.addImportance.run({ ...feeds, before: sum }))['importance']);
          scope.keepOnly({ sum });
          continue;
        }
        const scores = scope.hold((await first.run(feeds))['importance']);
        if (sum === undefined) sum = scores;
        else addTo(sum.data as Float32Array, scores.data as Float32Array);
      }
      if (sum === undefined) throw new RangeError('no queries to score');
      if (read === undefined) return sum.data as Float32Array;
      const matrix = viewOf(sum, [this.config.heads, sum.dims[2]]);
      return (await read.importance.run({ matrix }))['read'].data as Float32Array;
    } finally {
      scope.close();
    }
  }

  /** @returns `[rows - skip, vocab]`, where the last stage leaves it */
  private async lastStage(x: Tensor, attention: Tensor, skip: number): Promise<Tensor> {
    const { y, logits } = await this.stage(this.config.layers, { x, attn: attention, skip: count(skip) });
    release(y);
    return logits;
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

function queryFeeds({ rows, positions, weights }: QueryBlock): Tensors {
  const column = (values: Float32Array): Tensor => new Tensor('float32', values, [values.length, 1]);
  return { q: rows, position: column(positions), weight: column(weights) };
}

function addTo(sum: Float32Array, more: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += more[i];
}

/** @param of what is wanted of a row */
function eachRow(matrix: Float32Array, columns: number, of: (row: Float32Array) => number): Int32Array {
  return Int32Array.from({ length: matrix.length / columns }, (_, row) =>
    of(matrix.subarray(row * columns, (row + 1) * columns)),
  );
}

function count(value: number): Tensor {
  return new Tensor('int64', BigInt64Array.of(BigInt(value)), [1]);
}
