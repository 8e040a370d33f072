import type { LayerSelection, LayerSelector, Observation } from '@madakv/madakv';
import { rotaryTable, type RotaryTable } from '@madakv/models';
import { release, Tensor, TensorScope } from '@madakv/onnx';
import type { KvLedger } from '../kv/kv.ledger.js';
import type { LayerCache, Projections, PromptBuffer } from '../kv/kv.memory.js';
import type { Decoder } from './decoder.js';
import { ImportanceRecorder } from './importance.recorder.js';

/** A prompt ready for the decoder. */
export interface PrefillInput {
  /** `[tokens, hidden]`, visual tokens already replaced by the vision tower's features. Freed chunk by chunk. */
  readonly embeddings: Float32Array;
  /** `[axes, tokens]` */
  readonly positions: Int32Array;
  readonly axes: 1 | 3;
  readonly tokens: number;
}

export interface PrefillOptions {
  /** Prompt tokens a run takes at once. */
  readonly chunkTokens: number;
  /**
   * `layer`: all chunks through a layer before the next, evicting in between; one layer is held in full at a time.
   * `chunk`: each chunk through all layers, evicting at the end; the usual order, which holds all layers in full.
   */
  readonly order: 'layer' | 'chunk';
  /** Compute the logits of the last token on the full cache (the plain protocol, without hold-back). */
  readonly logits: boolean;
  /** Told when a layer is through, in `layer` order; times of `performance.now()`. */
  readonly onLayer?: (layer: number, startedAt: number, endedAt: number) => void;
}

/** Milliseconds and selections of a prefill. */
export interface PrefillReport {
  readonly selections: LayerSelection[];
  forwardMs: number;
  observeMs: number;
  evictMs: number;
}

export interface PrefillResult {
  readonly caches: readonly LayerCache[];
  readonly report: PrefillReport;
  /** `[vocab]` of the last token; present when asked for. */
  readonly logits: Float32Array | undefined;
}

/** A unit of work is done: a chunk has passed a layer, or a layer was evicted. Between two, other work may run. */
export type PrefillProgress = Readonly<{ done: number; total: number }>;

/** A chunk `[start, end)` on its way through the layers. */
interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly rotary: RotaryTable;
  /** `[end - start, hidden]`, the chunk's own */
  x: Tensor;
}

/**
 * Runs a prompt through the decoder, evicting every layer's cache down to what `selector` keeps.
 * Frees everything it allocated if it fails or is abandoned with `return()`.
 */
export async function* prefill(
  decoder: Decoder,
  input: PrefillInput,
  observation: Observation,
  selector: LayerSelector,
  ledger: KvLedger,
  options: PrefillOptions,
): AsyncGenerator<PrefillProgress, PrefillResult> {
  const run = new PrefillRun(decoder, input, observation, selector, ledger, options);
  let finished = false;
  try {
    yield* options.order === 'layer' ? run.layerMajor() : run.chunkMajor();
    finished = true;
    return run.result();
  } finally {
    run.close(finished);
  }
}

class PrefillRun {
  private readonly caches: LayerCache[] = [];
  private readonly buffers: PromptBuffer[] = [];
  private readonly chunks: Chunk[];
  private readonly recorders: ImportanceRecorder[];
  /** 0, 1, 2, ...: what scoring compares the queries' positions with. */
  private readonly index: Float32Array;
  private readonly report: PrefillReport = { selections: [], forwardMs: 0, observeMs: 0, evictMs: 0 };
  private readonly total: number;
  private logits: Float32Array | undefined;
  private done = 0;

  constructor(
    private readonly decoder: Decoder,
    private readonly input: PrefillInput,
    private readonly observation: Observation,
    private readonly selector: LayerSelector,
    private readonly ledger: KvLedger,
    private readonly options: PrefillOptions,
  ) {
    this.chunks = this.split();
    this.total = decoder.config.layers * this.chunks.length;
    this.recorders = Array.from(
      { length: decoder.config.layers },
      () => new ImportanceRecorder(observation, decoder, input.tokens),
    );
    this.index = Float32Array.from({ length: input.tokens }, (_, i) => i);
  }

  async *layerMajor(): AsyncGenerator<PrefillProgress, void> {
    const buffer = this.newBuffer();
    for (let layer = 0; layer < this.decoder.config.layers; layer++) {
      const startedAt = performance.now();
      buffer.reset();
      for (const chunk of this.chunks) {
        await this.pass(chunk, layer, buffer);
        yield this.progress();
      }
      await this.evict(layer, buffer);
      this.options.onLayer?.(layer, startedAt, performance.now());
    }
  }

  async *chunkMajor(): AsyncGenerator<PrefillProgress, void> {
    const { layers } = this.decoder.config;
    const buffers = Array.from({ length: layers }, () => this.newBuffer());
    for (const chunk of this.chunks) {
      for (let layer = 0; layer < layers; layer++) {
        await this.pass(chunk, layer, buffers[layer]);
        yield this.progress();
      }
    }
    for (let layer = 0; layer < layers; layer++) await this.evict(layer, buffers[layer]);
  }

  result(): PrefillResult {
    return { caches: this.caches, report: this.report, logits: this.logits };
  }

  close(keepCaches: boolean): void {
    for (const buffer of this.buffers) buffer.free();
    for (const chunk of this.chunks) release(chunk.x);
    for (const recorder of this.recorders) recorder.free();
    if (!keepCaches) for (const cache of this.caches) cache.free();
  }

  /** One chunk through one layer. */
  private async pass(chunk: Chunk, layer: number, buffer: PromptBuffer): Promise<void> {
    const started = performance.now();
    const scope = new TensorScope();
    try {
      const projections = scope.holdAll(await this.decoder.beginLayer(layer, chunk.x, chunk.rotary));
      const last = layer + 1 === this.decoder.config.layers;
      const wantsLogits = this.options.logits && chunk.end === this.input.tokens;
      if (last && !wantsLogits) {
        // After the last layer only the logits are of use, so attention and MLP are skipped where none are wanted.
        await buffer.append(projections);
      } else {
        const attention = scope.hold(await buffer.attend(projections));
        if (last) this.logits = await this.decoder.logits(chunk.x, attention, chunk.end - chunk.start - 1);
        else this.advance(chunk, await this.decoder.endLayer(layer, chunk.x, attention));
      }
      this.report.forwardMs += performance.now() - started;
      await this.record(chunk, layer, projections, buffer);
    } finally {
      scope.close();
    }
  }

  private advance(chunk: Chunk, x: Tensor): void {
    release(chunk.x);
    chunk.x = x;
  }

  private async record(chunk: Chunk, layer: number, { q }: Projections, buffer: PromptBuffer): Promise<void> {
    const started = performance.now();
    const recorder = this.recorders[layer];
    await recorder.collect(q, chunk.start, chunk.end);
    if (this.observation.kind === 'all' || chunk.end === this.input.tokens) {
      await recorder.score(buffer.allKeys(), this.index);
    }
    this.report.observeMs += performance.now() - started;
  }

  private async evict(layer: number, buffer: PromptBuffer): Promise<void> {
    const started = performance.now();
    const selection = this.selector.select(layer, this.recorders[layer].take());
    this.caches.push(await buffer.evict(selection));
    if (this.options.order === 'chunk') buffer.free();
    this.report.selections.push(selection);
    this.report.evictMs += performance.now() - started;
  }

  private newBuffer(): PromptBuffer {
    const buffer = this.decoder.memory.newPromptBuffer(this.input.tokens, this.ledger);
    this.buffers.push(buffer);
    return buffer;
  }

  private split(): Chunk[] {
    const { tokens, embeddings, positions, axes } = this.input;
    const hidden = this.decoder.config.hiddenSize;
    const chunks: Chunk[] = [];
    for (let start = 0; start < tokens; start += this.options.chunkTokens) {
      const end = Math.min(tokens, start + this.options.chunkTokens);
      const own = new Int32Array(axes * (end - start));
      for (let axis = 0; axis < axes; axis++) {
        own.set(positions.subarray(axis * tokens + start, axis * tokens + end), axis * (end - start));
      }
      chunks.push({
        start,
        end,
        rotary: rotaryTable(this.decoder.config, own, axes),
        x: new Tensor('float32', embeddings.slice(start * hidden, end * hidden), [end - start, hidden]),
      });
    }
    return chunks;
  }

  private progress(): PrefillProgress {
    this.done++;
    return { done: this.done, total: this.total };
  }
}
