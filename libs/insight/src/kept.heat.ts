import type { Heat, LayerTraceDocument } from '@madakv/contracts';

/** Which layer and head are looked at; null: all. */
export interface HeatChoice {
  readonly layer: number | null;
  readonly head: number | null;
}

/** Places of the set bits of a byte, by the byte. */
const SET_BITS: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, byte) =>
  [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ((byte >> bit) & 1) === 1),
);

/**
 * How many pairs of layer and head kept each token. Only set bits cost time: a prompt of 32k tokens in 80 layers of 8 heads takes some
 * tens of milliseconds.
 * @param tokens of the prompt
 * @returns `[tokens]` counts, and the pairs that were looked at
 */
export function keptCounts(
  layers: readonly LayerTraceDocument[],
  tokens: number,
  { layer, head }: HeatChoice,
): { readonly counts: Uint32Array; readonly pairs: number } {
  const counts = new Uint32Array(tokens);
  let pairs = 0;
  for (const { layer: number, positions } of layers) {
    if (layer !== null && layer !== number) continue;
    for (const [index, encoded] of positions.entries()) {
      if (head !== null && head !== index) continue;
      pairs++;
      const bits = Buffer.from(encoded, 'base64');
      for (let at = 0; at < bits.length; at++) {
        for (const bit of SET_BITS[bits[at]]) {
          const token = 8 * at + bit;
          if (token < tokens) counts[token]++;
        }
      }
    }
  }
  return { counts, pairs };
}

/** The same as one byte a token, for sending: 255 where all kept it, and at least 1 where anybody did. */
export function keptHeat(layers: readonly LayerTraceDocument[], tokens: number, choice: HeatChoice): Heat {
  const { counts, pairs } = keptCounts(layers, tokens, choice);
  const kept = Uint8Array.from(counts, (count) => Math.ceil((255 * count) / Math.max(1, pairs)));
  return { ...choice, pairs, tokens, kept: Buffer.from(kept).toString('base64') };
}
