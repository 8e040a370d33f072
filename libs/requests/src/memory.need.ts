import type { Need } from '@madakv/contracts';
import { answerBytes, appendedTokens, keptRowBytes, promptBufferBytes, type KvGeometry } from '@madakv/engine';

export interface CacheDemand {
  readonly tokens: number;
  /** Prompt tokens that are replayed after eviction: 0 or 1. */
  readonly heldBack: number;
  readonly maxTokens: number;
  readonly cacheRatio: number;
  readonly minCacheRatio: number;
}

/**
 * The bytes that a request asks a lease for (docs/budget.md). `fullBytes` is the prompt's whole cache as kept rows are
 * stored; `peakBytes - targetBytes` covers what the engine holds beside kept rows at any moment, whatever is granted: in
 * prefill one layer in full, while decoding the longest answer's tail and the copy that folding it takes.
 */
export function memoryNeed(
  { tokens, heldBack, maxTokens, cacheRatio, minCacheRatio }: CacheDemand,
  kv: KvGeometry,
): Need {
  const fullBytes = tokens * kv.layers * keptRowBytes(kv);
  const targetBytes = Math.ceil(cacheRatio * fullBytes);
  const transient = Math.max(
    promptBufferBytes(kv, tokens),
    // A policy may spend all that it gives to a layer on one.
    answerBytes(
      kv,
      Math.min(tokens - heldBack, Math.floor(cacheRatio * tokens * kv.layers)),
      appendedTokens(maxTokens, heldBack),
    ),
  );
  return {
    peakBytes: targetBytes + transient,
    targetBytes,
    minBytes: Math.min(targetBytes, Math.ceil(minCacheRatio * fullBytes)),
    fullBytes,
  };
}

/**
 * The ratio to generate with under a lease: what was granted of the whole cache, never more than was asked for, nor less
 * than what was accepted (which rounding might otherwise miss by a fraction of a row).
 */
export function grantedRatio(
  grantedBytes: number,
  {
    need,
    cacheRatio,
    minCacheRatio,
  }: { readonly need: Need; readonly cacheRatio: number; readonly minCacheRatio: number },
): number {
  return Math.max(minCacheRatio, Math.min(cacheRatio, grantedBytes / need.fullBytes));
}
