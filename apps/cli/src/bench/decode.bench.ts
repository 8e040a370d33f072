import { decodeStep, HostLayerCache, KvLedger, type Decoder, type Projections, type StepInput } from '@madakv/engine';
import type { DecoderConfig, Precision } from '@madakv/models';
import { GraphBuilder, Tensor, type ExecutionProvider } from '@madakv/onnx';
import { memoryBandwidth, time } from './measure.js';
import { matrixWeights, openBenchModel, type Progress, type ShapeOptions } from './bench.model.js';

export interface DecodeBenchOptions extends ShapeOptions {
  /** Tokens of full cache. */
  readonly context: number;
  /** Share of the cache that is kept in the comparison. */
  readonly ratio: number;
  readonly width: number;
  readonly rounds: number;
}

export interface DecodeBenchReport {
  readonly shape: string;
  readonly layers: number;
  readonly context: number;
  readonly bandwidthGBs: number;
  readonly weightBytes: number;
  readonly full: StepFigures;
  readonly kept: StepFigures;
  /** Step time with full cache over step time with the kept share. */
  readonly speedup: number;
  /** One layer's attention the usual way (past in, present out) over ours, full cache. */
  readonly againstPastPresent: number;
}

export interface StepFigures {
  readonly tokens: number;
  readonly cacheBytes: number;
  readonly stepMs: number;
  readonly attentionMs: number;
  /** Bytes that have to be read over bytes that could have been read in the time. */
  readonly stepOfBandwidth: number;
  readonly attentionOfBandwidth: number;
}

/** Decode speed of one model shape at full cache and at a share of it, against the machine's memory bandwidth. */
export async function benchDecode(
  provider: ExecutionProvider,
  options: DecodeBenchOptions,
  onProgress: Progress,
): Promise<DecodeBenchReport> {
  const { config, decoder, sessions } = await openBenchModel(provider, options, onProgress);
  const weightBytes = matrixBytes(config, options.precision);
  const bandwidth = await memoryBandwidth(provider);

  const measure = async (tokens: number, width: number): Promise<StepFigures> => {
    onProgress(`decoding with ${tokens} tokens of cache, width ${width}`);
    const ledger = new KvLedger();
    const sequences = Array.from({ length: width }, () => filledCaches(config, tokens, ledger));
    const fresh = randomProjections(decoder, width);
    const attention = await time(async () => {
      for (let layer = 0; layer < config.layers; layer++) {
        await decoder.memory.attend(
          fresh,
          sequences.map((caches) => caches[layer]),
        );
      }
    }, options.rounds);
    const inputs: StepInput[] = sequences.map((caches) => ({
      embedding: new Float32Array(config.hiddenSize).fill(0.1),
      position: Int32Array.of(tokens),
      caches,
    }));
    const step = await time(() => decodeStep(decoder, inputs), options.rounds);
    const cacheBytes = width * tokens * config.layers * config.kvHeads * config.headDim * 8;
    for (const caches of sequences) for (const cache of caches) cache.free();
    return {
      tokens,
      cacheBytes,
      stepMs: step.medianMs,
      attentionMs: attention.medianMs,
      stepOfBandwidth: (weightBytes + cacheBytes) / step.medianMs / bandwidth,
      attentionOfBandwidth: cacheBytes / attention.medianMs / bandwidth,
    };
  };
  const full = await measure(options.context, options.width);
  const kept = await measure(Math.round(options.context * options.ratio), options.width);
  onProgress('attention with past in and present out');
  const usualMs = await pastPresentAttention(provider, config, options.context, options.rounds);
  await sessions.release();
  return {
    shape: options.shape,
    layers: config.layers,
    context: options.context,
    bandwidthGBs: bandwidth / 1e6,
    weightBytes,
    full,
    kept,
    speedup: full.stepMs / kept.stepMs,
    againstPastPresent: usualMs / (full.attentionMs / config.layers),
  };
}

/** Milliseconds of one layer's attention when the cache goes through the graph: past in, present out. */
async function pastPresentAttention(
  provider: ExecutionProvider,
  config: DecoderConfig,
  tokens: number,
  rounds: number,
): Promise<number> {
  const { heads, kvHeads, headDim } = config;
  const graph = new GraphBuilder('past-present');
  const inputs = [
    graph.input('q', 'float32', [1, 1, heads * headDim]),
    graph.input('k', 'float32', [1, 1, kvHeads * headDim]),
    graph.input('v', 'float32', [1, 1, kvHeads * headDim]),
    graph.input('past_keys', 'float32', [1, kvHeads, tokens, headDim]),
    graph.input('past_values', 'float32', [1, kvHeads, tokens, headDim]),
    graph.input('last', 'int32', [1]),
    graph.input('total', 'int32', [1]),
  ];
  const outputs = graph.ops('GroupQueryAttention', inputs, {
    domain: 'com.microsoft',
    attributes: { num_heads: heads, kv_num_heads: kvHeads },
    outputCount: 3,
  });
  ['attn', 'present_keys', 'present_values'].forEach((name, i) => {
    graph.output(name, outputs[i], 'float32');
  });
  const session = await provider.createSession({ bytes: graph.encode() });
  const filled = (dims: number[]): Tensor =>
    new Tensor('float32', new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(0.1), dims);
  const past = [1, kvHeads, tokens, headDim];
  const feeds = {
    q: filled([1, 1, heads * headDim]),
    k: filled([1, 1, kvHeads * headDim]),
    v: filled([1, 1, kvHeads * headDim]),
    past_keys: filled(past),
    past_values: filled(past),
    last: new Tensor('int32', Int32Array.of(tokens), [1]),
    total: new Tensor('int32', Int32Array.of(tokens + 1), [1]),
  };
  const { medianMs } = await time(() => session.run(feeds), rounds);
  await session.release();
  return medianMs;
}

function filledCaches(config: DecoderConfig, tokens: number, ledger: KvLedger): HostLayerCache[] {
  return Array.from({ length: config.layers }, () => {
    const cache = new HostLayerCache({ heads: config.kvHeads, dim: config.headDim }, tokens, ledger);
    cache.keys.data.fill(0.1);
    cache.values.data.fill(0.1);
    return cache;
  });
}

function randomProjections({ config, queryWidth }: Decoder, rows: number): Projections {
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
    case 'int':
      return weights * (precision.bits / 8 + 4 / precision.blockSize);
    case 'w8a8':
      return weights;
  }
}
