import type { DecoderConfig } from '@madakv/models';
import type { ProviderName } from '@madakv/onnx';
import type { KvPrecision } from './kept.part.js';
import { GROWTH_ROWS } from './device.layer.cache.js';
import { TAIL_ROWS, TAIL_STEP } from './kv.memory.js';

/** All that decides how many bytes of cache a number of rows takes. */
export interface KvGeometry {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of kept rows; the prompt's buffer and new tokens are float32 unless it is `fp16`. */
  readonly precision: KvPrecision;
  /** Caches live in a device's memory, where growing one takes the old and the new at once. */
  readonly onDevice: boolean;
}

export function kvGeometry(decoder: DecoderConfig, provider: ProviderName, precision: KvPrecision): KvGeometry {
  const { layers, kvHeads, headDim } = decoder;
  return { layers, kvHeads, headDim, precision, onDevice: provider === 'webgpu' };
}

/** Bytes of one kept row of one layer, all heads. */
export function keptRowBytes({ kvHeads, headDim, precision }: KvGeometry): number {
  // A code a number and a scale a row, for keys and values.
  if (precision === 'int8') return 2 * kvHeads * (headDim + Float32Array.BYTES_PER_ELEMENT);
  return 2 * kvHeads * headDim * (precision === 'fp16' ? 2 : Float32Array.BYTES_PER_ELEMENT);
}

/** Bytes of one row of one layer, all heads, before it is evicted: of the prompt's buffer and of new tokens. */
export function freshRowBytes(geometry: KvGeometry): number {
  return keptRowBytes({ ...geometry, precision: geometry.precision === 'fp16' ? 'fp16' : 'fp32' });
}

/** The most that prefill takes beside what earlier layers have kept: one layer in full. */
export function promptBufferBytes(geometry: KvGeometry, tokens: number): number {
  return tokens * freshRowBytes(geometry);
}

/**
 * The most that decoding takes beside what eviction left.
 * @param largestLayer most kept rows of a layer
 * @param appended tokens whose keys and values are appended
 */
export function answerBytes(geometry: KvGeometry, largestLayer: number, appended: number): number {
  if (geometry.onDevice) return growthBytes(geometry, largestLayer, appended);
  return Math.max(tailBytes(geometry, appended), foldBytes(geometry, largestLayer, appended));
}

/** What a replayed prompt token and an answer append: the last token of an answer is never run. */
export function appendedTokens(maxTokens: number, heldBack: number): number {
  return maxTokens - 1 + heldBack;
}

/** All layers with room for the last token, and one, grown last, as it was before. */
function growthBytes(geometry: KvGeometry, largestLayer: number, appended: number): number {
  const grown = Math.ceil(appended / GROWTH_ROWS);
  if (grown === 0) return 0;
  const before = largestLayer + (grown - 1) * GROWTH_ROWS;
  return (geometry.layers * grown * GROWTH_ROWS + before) * keptRowBytes(geometry);
}

/** All layers after the last token. */
function tailBytes(geometry: KvGeometry, appended: number): number {
  const folded = TAIL_ROWS * foldsOf(appended);
  const fresh = freshRowBytes(geometry);
  const open = geometry.layers * steps(appended - folded);
  // A tail that was folded stood full before.
  const before =
    folded === 0 ? 0 : geometry.layers * ((folded - TAIL_ROWS) * keptRowBytes(geometry) + TAIL_ROWS * fresh);
  return Math.max(before, geometry.layers * folded * keptRowBytes(geometry) + open * fresh);
}

/** The last fold: every layer still has its full tail, and one has its kept part twice, the new one with the tail's rows. */
function foldBytes(geometry: KvGeometry, largestLayer: number, appended: number): number {
  const folds = foldsOf(appended);
  if (folds === 0) return 0;
  const kept = keptRowBytes(geometry);
  const folded = TAIL_ROWS * (folds - 1);
  const tails = TAIL_ROWS * freshRowBytes(geometry);
  return geometry.layers * (folded * kept + tails) + (largestLayer + folded + TAIL_ROWS) * kept;
}

/** A tail is folded by the token that fills it. */
function foldsOf(appended: number): number {
  return Math.floor(appended / TAIL_ROWS);
}

function steps(rows: number): number {
  return Math.ceil(rows / TAIL_STEP) * TAIL_STEP;
}
