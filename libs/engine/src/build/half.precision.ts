import type { Precision } from '@madakv/models';
import { ProviderUnavailableError, type ExecutionProvider } from '@madakv/onnx';
import type { KvPrecision } from '../kv/kept.part.js';

/** What a model is asked to run in: 16 bits a number where that is safe, or 32. */
export type HalfOrFull = 'fp16' | 'fp32';

/** @throws ProviderUnavailableError where the provider's device cannot compute in float16 */
export async function requireHalf(provider: ExecutionProvider): Promise<void> {
  if (await provider.halfPrecision()) return;
  const reason =
    provider.name === 'webgpu'
      ? 'this device or its driver lacks float16 shaders (`shader-f16`)'
      : 'float16 is for the webgpu provider';
  throw new ProviderUnavailableError(
    provider.name,
    `precision fp16 with provider ${provider.name}: ${reason}; use fp32`,
  );
}

/** How weights, vision tower and cache are stored. */
export interface ModelPrecision {
  readonly precision: Precision;
  readonly visionPrecision: HalfOrFull;
  readonly kvPrecision: KvPrecision;
}

/**
 * What a precision means for each part of a model; without one half where the device has it.
 * @param quantised weights that are stored in fewer bits
 * @throws ProviderUnavailableError where fp16 is asked for and the device lacks it
 */
export async function modelPrecision(
  asked: HalfOrFull | undefined,
  provider: ExecutionProvider,
  quantised: Precision,
  kvCache: 'fp32' | 'int8',
): Promise<ModelPrecision> {
  if (asked === 'fp16') await requireHalf(provider);
  const half = asked === 'fp16' || (asked === undefined && (await provider.halfPrecision()));
  if (!half) return { precision: quantised, visionPrecision: 'fp32', kvPrecision: kvCache };
  return {
    precision: quantised.kind === 'fp32' ? { kind: 'fp16' } : quantised,
    visionPrecision: 'fp16',
    kvPrecision: 'fp16',
  };
}
