import type { DecoderConfig } from '@madakv/models';
import type { ProviderName } from '@madakv/onnx';
import type { KvPrecision } from './kept.part.js';
import { TAIL_ROWS, TAIL_STEP } from './kv.memory.js';

/** All that decides how many bytes of cache a number of rows takes. */
export interface KvGeometry {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of kept rows; the prompt's buffer and the tail of new tokens are float32. */
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
  const { BYTES_PER_ELEMENT } = Float32Array;
  // A code a number and a scale a row, for keys and values.
  if (precision === 'int8') return 2 * kvHeads * (headDim + BYTES_PER_ELEMENT);
  return 2 * kvHeads * headDim * BYTES_PER_ELEMENT;
}

/** Bytes of one float32 row of one layer, all heads: of the prompt's buffer and of the tail. */
export function freshRowBytes(geometry: KvGeometry): number {
  return keptRowBytes({ ...geometry, precision: 'fp32' });
}

/** The most that prefill takes beside what earlier layers have kept: one layer in full, on a device while it grows twice. */
export function promptBufferBytes(geometry: KvGeometry, tokens: number): number {
  return (geometry.onDevice ? 2 : 1) * tokens * freshRowBytes(geometry);
}

/**
 * The most that decoding takes beside what eviction left.
 * @param largestLayer most kept rows of a layer
 * @param appended tokens whose keys and values are appended
 */
export function answerBytes(geometry: KvGeometry, largestLayer: number, appended: number): number {
  return Math.max(tailBytes(geometry, appended), foldBytes(geometry, largestLayer, appended));
}

/** What a replayed prompt token and an answer append: the last token of an answer is never run. */
export function appendedTokens(maxTokens: number, heldBack: number): number {
  return maxTokens - 1 + heldBack;
}

/** All layers after the last token, and a tail in the making. */
function tailBytes(geometry: KvGeometry, appended: number): number {
  const folded = TAIL_ROWS * foldsOf(geometry, appended);
  const tail = appended - folded;
  const fresh = freshRowBytes(geometry);
  // On a device a token's tail is a new tensor, one layer after the other.
  const open = geometry.onDevice
    ? geometry.layers * tail + Math.min(appended, TAIL_ROWS)
    : geometry.layers * steps(tail);
  // A tail that was folded stood full before.
  const before =
    folded === 0 ? 0 : geometry.layers * ((folded - TAIL_ROWS) * keptRowBytes(geometry) + TAIL_ROWS * fresh);
  return Math.max(before, geometry.layers * folded * keptRowBytes(geometry) + open * fresh);
}

/** The last fold: every layer still has its full tail, and one has its kept part twice, the new one with the tail's rows. */
function foldBytes(geometry: KvGeometry, largestLayer: number, appended: number): number {
  const folds = foldsOf(geometry, appended);
  if (folds === 0) return 0;
  const kept = keptRowBytes(geometry);
  const fresh = freshRowBytes(geometry);
  const folded = TAIL_ROWS * (folds - 1);
  // Layers that have folded already may hold the next token's tail, on a device.
  const tails = TAIL_ROWS * fresh + (geometry.onDevice ? fresh : 0);
  return geometry.layers * (folded * kept + tails) + (largestLayer + folded + TAIL_ROWS) * kept;
}

/** A host's tail is folded by the token that fills it, a device's by the one after. */
function foldsOf({ onDevice }: KvGeometry, appended: number): number {
  return Math.floor((onDevice ? Math.max(0, appended - 1) : appended) / TAIL_ROWS);
}

function steps(rows: number): number {
  return Math.ceil(rows / TAIL_STEP) * TAIL_STEP;
}
