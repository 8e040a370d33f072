import { statSync } from 'node:fs';
import { Engine } from '@madakv/engine';
import type { OpenModel } from '@madakv/models';
import { cpuProvider, cudaProvider, webgpuProvider, type ExecutionProvider } from '@madakv/onnx';
import type { EngineInfo, EngineSettings } from './engine.request.js';
import { openServedModel } from './served.model.js';

const MIB = 2 ** 20;
/** A small model must not remember more than it is, nor a large one's pages push out what the machine needs. */
const FEATURE_CACHE = { perWeightByte: 4, least: 64 * MIB, most: 256 * MIB } as const;

/**
 * Opens the checkpoint, builds its graphs unless they are built already, and loads them.
 * @param onBuild told after each graph; what it throws ends the build
 * @throws CheckpointError, ProviderUnavailableError
 */
export async function loadEngine(
  settings: EngineSettings,
  onBuild: (done: number, total: number) => void,
): Promise<Engine> {
  const { precision, kvPrecision, cacheDir, chunkTokens, maxSequences, maxGroup, featureCacheBytes } = settings;
  const model = openServedModel(settings.modelDir);
  return Engine.load(model, await openProvider(settings), {
    precision,
    kvPrecision,
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(chunkTokens === undefined ? {} : { chunkTokens }),
    ...(maxSequences === undefined ? {} : { maxSequences }),
    ...(maxGroup === undefined ? {} : { maxGroup }),
    featureCacheBytes: featureCacheBytes ?? proportionateCache(model),
    onProgress: onBuild,
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
