import type { LayerTraceDocument } from '@madakv/contracts';

/**
 * How many of the heads of all layers kept what stands at a place of the prompt: shares from 0 to 1, first tokens first.
 * @param tokens of the prompt
 * @param columns most places; with fewer tokens one place a token
 */
export function keptDensity(layers: readonly LayerTraceDocument[], tokens: number, columns: number): number[] {
  const width = Math.min(tokens, columns);
  const kept = new Float64Array(width);
  const possible = new Float64Array(width);
  for (const { positions } of layers) {
    for (const encoded of positions) {
      const bits = Buffer.from(encoded, 'base64');
      for (let token = 0; token < tokens; token++) {
        const column = Math.floor((token * width) / tokens);
        possible[column]++;
        kept[column] += ((bits[token >> 3] ?? 0) >> (token & 7)) & 1;
      }
    }
  }
  return Array.from(kept, (count, column) => count / Math.max(1, possible[column]));
}
