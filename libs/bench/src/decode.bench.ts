import {
  decodeStep,
  HostLayerCache,
  KvLedger,
  type Decoder,
  type KvFormat,
  type Projections,
  type StepInput,
} from '@madakv/engine';
import type { DecoderConfig, Precision } from '@madakv/models';
import { Tensor, type ExecutionProvider } from '@madakv/onnx';
import { matrixWeights, openBenchModel, type Progress, type ShapeOptions } from './bench.model.js';
import { bandwidthProbe, interleave, median, medianRatio } from './measure.js';
import { pastPresentProbe } from './past.present.js';

export interface DecodeBenchOptions extends ShapeOptions {
  /** Tokens of full cache. */
  readonly context: number;
  /** Share of the cache that is kept in the comparison. */
  readonly ratio: number;
  /** Sequences that decode together. */
  readonly width: number;
  readonly rounds: number;
}

export interface DecodeBenchReport {
  readonly shape: string;
  readonly layers: number;
  readonly context: number;
  readonly width: number;
  readonly bandwidthGBs: number;
  readonly weightBytes: number;
  readonly full: StepFigures;
  readonly kept: StepFigures;
  /** Step time with full cache over step time with the kept share. */
  readonly speedup: number;
  /** One layer's attention the usual way (past in, present out) over ours, full cache, one sequence's share. */
  readonly againstPastPresent: number;
  /** Tokens a second with full cache over those of one sequence alone. */
  readonly overWidthOne: number;
}

export interface StepFigures {
  readonly tokens: number;
  readonly cacheBytes: number;
  readonly stepMs: number;
  readonly attentionMs: number;
  /** Time that reading weights and cache once would take at the machine's bandwidth, over the step's time. */
  readonly stepOfBandwidth: number;
  /** The same for the cache and the attention alone. */
  readonly attentionOfBandwidth: number;
}

/** Decode speed of one model shape at full cache and at a share of it, against the machine's memory bandwidth. */
export async function benchDecode(
  provider: ExecutionProvider,
  options: DecodeBenchOptions,
  onProgress: Progress,
): Promise<DecodeBenchReport> {
  const { config, decoder, sessions } = await openBenchModel(provider, options, onProgress);
  const { context, width, rounds } = options;
  const full = new Batch(decoder, context, width, sessions.cacheFormat);
  const kept = new Batch(decoder, Math.round(context * options.ratio), width, sessions.cacheFormat);
  const alone = full.first();
  const bandwidth = await bandwidthProbe(provider);
  const usual = await pastPresentProbe(provider, config, context);
  onProgress(`${context} tokens of cache, ${kept.tokens} kept, width ${width}: ${rounds} rounds`);
  const times = await interleave(
    {
      bandwidth: () => bandwidth.run(),
      fullAttention: () => full.attention(),
      fullStep: () => full.step(),
      keptAttention: () => kept.attention(),
      keptStep: () => kept.step(),
      usual: () => usual.run(),
      alone: () => alone.step(),
    },
    rounds,
  );
  const weightBytes = matrixBytes(config, options.precision);
  const figures = (batch: Batch, step: readonly number[], attention: readonly number[]): StepFigures => ({
    tokens: batch.tokens,
    cacheBytes: batch.bytes,
    stepMs: median(step),
    attentionMs: median(attention),
    stepOfBandwidth: ((weightBytes + batch.bytes) / bandwidth.bytes) * medianRatio(times.bandwidth, step),
    attentionOfBandwidth: (batch.bytes / bandwidth.bytes) * medianRatio(times.bandwidth, attention),
  });
  const report = {
    shape: options.shape,
    layers: config.layers,
    context,
    width,
    bandwidthGBs: bandwidth.bytes / median(times.bandwidth) / 1e6,
    weightBytes,
    full: figures(full, times.fullStep, times.fullAttention),
    kept: figures(kept, times.keptStep, times.keptAttention),
    speedup: medianRatio(times.fullStep, times.keptStep),
    againstPastPresent: medianRatio(times.usual, times.fullAttention) * config.layers * width,
    overWidthOne: medianRatio(times.alone, times.fullStep) * width,
  };
  full.free();
  kept.free();
  await Promise.all([bandwidth.release(), usual.release()]);
  await sessions.release();
  return report;
}

/** Sequences with caches of equal length. */
class Batch {
  private readonly ledger = new KvLedger();

  constructor(
    private readonly decoder: Decoder,
    readonly tokens: number,
    private readonly width: number,
    format: KvFormat,
    private readonly sequences = Array.from({ length: width }, () => filledCaches(decoder.config, tokens, format)),
  ) {
    for (const caches of this.sequences) for (const cache of caches) this.ledger.charge(cache.bytes);
  }

  get bytes(): number {
    return this.ledger.bytes;
  }

  /** The first sequence by itself. */
  first(): Batch {
    return new Batch(this.decoder, this.tokens, 1, 'fp32', this.sequences.slice(0, 1));
  }

  async attention(): Promise<void> {
    const fresh = projections(this.decoder, this.width);
    for (let layer = 0; layer < this.decoder.config.layers; layer++) {
      await this.decoder.memory.attend(
        fresh,
        this.sequences.map((caches) => caches[layer]),
      );
    }
  }

  async step(): Promise<void> {
    const embedding = new Float32Array(this.decoder.config.hiddenSize).fill(0.1);
    const inputs = this.sequences.map((caches): StepInput => ({
      embedding,
      position: Int32Array.of(this.tokens),
      caches,
    }));
    await decodeStep(this.decoder, inputs);
  }

  free(): void {
    for (const caches of this.sequences) for (const cache of caches) cache.free();
  }
}

function filledCaches(config: DecoderConfig, tokens: number, format: KvFormat): HostLayerCache[] {
  const row = new Float32Array(config.headDim).fill(0.1);
  return Array.from({ length: config.layers }, () => {
    const shape = { heads: config.kvHeads, dim: config.headDim };
    const cache = new HostLayerCache(shape, tokens, new KvLedger(), format);
    for (let head = 0; head < config.kvHeads; head++) {
      for (let token = 0; token < tokens; token++) cache.set(head, token, row, row);
    }
    return cache;
  });
}

function projections({ config, queryWidth }: Decoder, rows: number): Projections {
  const filled = (columns: number): Tensor =>
    new Tensor('float32', new Float32Array(rows * columns).fill(0.1), [rows, columns]);
  const keyWidth = config.kvHeads * config.headDim;
  return { q: filled(queryWidth), k: filled(keyWidth), v: filled(keyWidth) };
}

/** Bytes of the matrices a decode step reads. */
function matrixBytes(config: DecoderConfig, precision: Precision): number {
  const { layer, head } = matrixWeights(config);
  const weights = config.layers * layer + head;
  switch (precision.kind) {
    case 'fp32':
      return weights * 4;
    case 'fp16':
      // Two digits of 8 bits, each with a scale a block of 32.
      return weights * (2 + (2 * 4) / 32);
    case 'int':
      return weights * (precision.bits / 8 + 4 / precision.blockSize);
    case 'w8a8':
      return weights;
  }
}
