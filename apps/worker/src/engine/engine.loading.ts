import { statSync } from 'node:fs';
import { Engine, modelPrecision } from '@madakv/engine';
import type { OpenModel } from '@madakv/models';
import { cpuProvider, cudaProvider, webgpuProvider, type ExecutionProvider } from '@madakv/onnx';
import type { EngineInfo, EngineSettings } from './engine.request.js';
import { openServedModel } from './served.model.js';

const MIB = 2 ** 20;
/** A small model must not remember more than it is, nor a large one's pages push out what the machine needs. */
const FEATURE_CACHE = { perWeightByte: 4, least: 64 * MIB, most: 256 * MIB } as const;

/** As much as visual features get at most. With the bundled reader that is eighteen full pages at 140 dots per inch. */
const RESIDENT_BYTES = 256 * MIB;

export interface LoadingListener {
  /** Told after each graph; what it throws ends the build. */
  readonly onBuild: (done: number, total: number) => void;
  /** Told which documents are resident, whenever that changes. */
  readonly onResident: (documentKeys: readonly string[]) => void;
}

/**
 * Opens the checkpoint, builds its graphs unless they are built already, and loads them.
 * @throws CheckpointError, ProviderUnavailableError; RangeError for resident rows where the provider keeps none
 */
export async function loadEngine(settings: EngineSettings, { onBuild, onResident }: LoadingListener): Promise<Engine> {
  const { cacheDir, chunkTokens, maxSequences, maxGroup, featureCacheBytes, residentBytes } = settings;
  const model = openServedModel(settings.modelDir);
  const provider = await openProvider(settings);
  return Engine.load(model, provider, {
    ...(await modelPrecision(settings.precision, provider, settings.weights, settings.kvCache)),
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(chunkTokens === undefined ? {} : { chunkTokens }),
    ...(maxSequences === undefined ? {} : { maxSequences }),
    ...(maxGroup === undefined ? {} : { maxGroup }),
    featureCacheBytes: featureCacheBytes ?? proportionateCache(model),
    residentLimitBytes: residentBytes ?? (provider.keepsTensorsOnDevice ? 0 : RESIDENT_BYTES),
    onProgress: onBuild,
    onResident,
  });
}

function proportionateCache({ weights }: OpenModel): number {
  const weightBytes = weights.files.reduce((sum, file) => sum + statSync(file).size, 0);
  return Math.min(FEATURE_CACHE.most, Math.max(FEATURE_CACHE.least, FEATURE_CACHE.perWeightByte * weightBytes));
}

export function infoOf({ model, kvBytesPerToken, kvGeometry, builtDir }: Engine, settings: EngineSettings): EngineInfo {
  const { family, decoder } = model.config;
  return {
    family,
    decoder,
    maxPositions: decoder.maxPositions,
    kvBytesPerToken,
    kv: kvGeometry,
    provider: settings.provider,
    builtDir,
  };
}

async function openProvider({ provider, threads }: EngineSettings): Promise<ExecutionProvider> {
  if (provider === 'cpu') return cpuProvider(threads);
  return provider === 'webgpu' ? webgpuProvider() : cudaProvider();
}
