import {
  buildModel,
  Decoder,
  loadSessions,
  type HalfOrFull,
  type KvPrecision,
  type LoadedSessions,
} from '@madakv/engine';
import type { DecoderConfig, Precision } from '@madakv/models';
import type { ExecutionProvider } from '@madakv/onnx';
import { syntheticModel } from './synthetic.model.js';

/** What all benchmarks of a decoder need to know. */
export interface ShapeOptions {
  /** Name of a published shape, see `shapes`. */
  readonly shape: string;
  /** Fewer layers than the shape has: time grows in proportion, memory too. */
  readonly layers?: number;
  readonly precision: Precision;
  readonly cacheDir?: string;
  readonly kvPrecision?: KvPrecision;
  /** Of a vision tower, which these have not. */
  readonly visionPrecision?: HalfOrFull;
}

export type Progress = (message: string) => void;

/** A decoder with random weights, its sessions open. */
export interface BenchModel {
  readonly config: DecoderConfig;
  readonly decoder: Decoder;
  readonly sessions: LoadedSessions;
}

export async function openBenchModel(
  provider: ExecutionProvider,
  options: ShapeOptions,
  onProgress: Progress,
): Promise<BenchModel> {
  const input = syntheticModel(options.shape, options.layers);
  const config = input.config.decoder;
  onProgress(`building ${options.shape} (${config.layers} layers) with random weights`);
  const built = await buildModel(input, provider, {
    precision: options.precision,
    ...(options.cacheDir === undefined ? {} : { cacheDir: options.cacheDir }),
  });
  const sessions = await loadSessions(built, config, provider, options.kvPrecision);
  return { config, decoder: new Decoder(config, sessions.decoder), sessions };
}

/** Weights that a token is multiplied with in one layer, and in the output head. */
export function matrixWeights(config: DecoderConfig): { layer: number; head: number } {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  return {
    layer: hiddenSize * headDim * (2 * heads + 2 * kvHeads) + 3 * hiddenSize * intermediateSize,
    head: vocabSize * hiddenSize,
  };
}
