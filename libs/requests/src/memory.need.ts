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
export function memoryNeed(demand: CacheDemand, kv: KvGeometry): Need {
  const { tokens, cacheRatio, minCacheRatio } = demand;
  const fullBytes = tokens * kv.layers * keptRowBytes(kv);
  const targetBytes = Math.ceil(cacheRatio * fullBytes);
  return {
    peakBytes: targetBytes + Math.max(promptBufferBytes(kv, tokens), longestAnswerBytes(demand, kv)),
    targetBytes,
    minBytes: Math.min(targetBytes, Math.ceil(minCacheRatio * fullBytes)),
    fullBytes,
  };
}

/** What requests need that are read together: each its budget and its answer, and all of them one layer in full. */
export interface SharedNeed extends Need {
  /** The layer, of the longest prompt, while any of them is read. */
  readonly layerBytes: number;
  /** In the order of the demands. */
  readonly members: readonly { readonly need: Need; readonly answerBytes: number }[];
}

/**
 * The bytes that requests ask one lease for. One that is alone needs no more than `memoryNeed`. Of several, one may decode
 * already while the layer of another is read: where their prompts turn out to begin differently, or one of them was cancelled.
 */
export function sharedNeed(demands: readonly CacheDemand[], kv: KvGeometry): SharedNeed {
  const members = demands.map((demand) => ({
    need: memoryNeed(demand, kv),
    answerBytes: longestAnswerBytes(demand, kv),
  }));
  const sum = (of: (need: Need) => number): number => members.reduce((total, { need }) => total + of(need), 0);
  const layerBytes = promptBufferBytes(kv, Math.max(...demands.map(({ tokens }) => tokens)));
  const targetBytes = sum((need) => need.targetBytes);
  const answers = members.reduce((total, member) => total + member.answerBytes, 0);
  return {
    peakBytes: members.length === 1 ? members[0].need.peakBytes : targetBytes + layerBytes + answers,
    targetBytes,
    minBytes: sum((need) => need.minBytes),
    fullBytes: sum((need) => need.fullBytes),
    layerBytes,
    members,
  };
}

/** While decoding: the longest answer's tail and the copy that folding it takes. */
function longestAnswerBytes({ tokens, heldBack, maxTokens, cacheRatio }: CacheDemand, kv: KvGeometry): number {
  // A policy may spend all that it gives to a layer on one.
  const largestLayer = Math.min(tokens - heldBack, Math.floor(cacheRatio * tokens * kv.layers));
  return answerBytes(kv, largestLayer, appendedTokens(maxTokens, heldBack));
}

/** What was accepted for a request, and what that takes. */
export interface RatioRange {
  readonly need: Need;
  readonly cacheRatio: number;
  readonly minCacheRatio: number;
}

/**
 * The ratio to generate with under a lease: what was granted of the whole cache, never more than was asked for, nor less
 * than what was accepted (which rounding might otherwise miss by a fraction of a row).
 */
export function grantedRatio(grantedBytes: number, { need, cacheRatio, minCacheRatio }: RatioRange): number {
  return Math.max(minCacheRatio, Math.min(cacheRatio, grantedBytes / need.fullBytes));
}

/**
 * What each of those under one lease may keep, in bytes: its least, and of what it asked for beyond that the share that all of
 * them get.
 */
export function grantedShares(grantedBytes: number, members: readonly { readonly need: Need }[]): number[] {
  if (members.length === 1) return [grantedBytes];
  const sum = (of: (need: Need) => number): number => members.reduce((total, { need }) => total + of(need), 0);
  const least = sum((need) => need.minBytes);
  const beyond = sum((need) => need.targetBytes) - least;
  const share = beyond <= 0 ? 1 : Math.max(0, Math.min(1, (grantedBytes - least) / beyond));
  return members.map(({ need }) => Math.floor(need.minBytes + share * (need.targetBytes - need.minBytes)));
}
