import process from 'node:process';
import type { ProviderName } from '@madakv/onnx';

/** Share of the memory that is free once the model is loaded; the rest is for activations, images and the system. */
export const DEFAULT_CACHE_SHARE = 0.5;

/**
 * Bytes of key-value cache that a device may hold by default, once its model is loaded. On the CPU a share of what the
 * system or the container has left; weights that are mapped from disk count as free, so that a model larger than memory
 * leaves room on paper only. Nothing tells how much memory a GPU has left: its capacity must be set.
 * @param availableBytes what may still be allocated; by default what the system says of this process
 * @returns undefined for a GPU
 */
export function proposedCapacity(
  provider: ProviderName,
  availableBytes: number = process.availableMemory(),
): number | undefined {
  return provider === 'cpu' ? Math.floor(DEFAULT_CACHE_SHARE * availableBytes) : undefined;
}
