import { Engine } from '@madakv/engine';
import { cpuProvider, cudaProvider, webgpuProvider, type ExecutionProvider } from '@madakv/onnx';
import type { EngineInfo, EngineSettings } from './engine.request.js';
import { openServedModel } from './served.model.js';

/**
 * Opens the checkpoint, builds its graphs unless they are built already, and loads them.
 * @param onBuild told after each graph; what it throws ends the build
 * @throws CheckpointError, ProviderUnavailableError
 */
export async function loadEngine(
  settings: EngineSettings,
  onBuild: (done: number, total: number) => void,
): Promise<Engine> {
  const { precision, kvPrecision, cacheDir, chunkTokens, maxSequences, featureCacheBytes } = settings;
  const model = openServedModel(settings.modelDir);
  return Engine.load(model, await openProvider(settings), {
    precision,
    kvPrecision,
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(chunkTokens === undefined ? {} : { chunkTokens }),
    ...(maxSequences === undefined ? {} : { maxSequences }),
    ...(featureCacheBytes === undefined ? {} : { featureCacheBytes }),
    onProgress: onBuild,
  });
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
