import type { ImagePlace, TraceDocument, TraceView } from '@madakv/contracts';
import { keptHeat } from './kept.heat.js';

/**
 * A trace without what only a sum of is drawn.
 * @param urlOf where an image is to be had; undefined for one that cannot be
 */
export function traceView(trace: TraceDocument, urlOf: (index: number) => string | undefined): TraceView {
  const images = trace.images.map((image, index): ImagePlace => {
    const { part, page, width, height, tokens } = image;
    const place = 'place' in image ? image.place : undefined;
    const url = urlOf(index) ?? null;
    const grid = place ?? { start: null, rows: 0, columns: 0, stride: 0 };
    return { index, part, page, width, height, tokens, ...grid, url };
  });
  if (trace.error !== null) return { object: 'trace.view', trace: withoutKeys(trace), images, heat: null };
  const { layers } = trace.cache;
  const heat = layers.length === 0 ? null : keptHeat(layers, promptTokens(trace), { layer: null, head: null });
  const slim = { ...trace, cache: { ...trace.cache, layers: layers.map((layer) => ({ ...layer, positions: [] })) } };
  return { object: 'trace.view', trace: withoutKeys(slim), images, heat };
}

export function promptTokens(trace: { readonly cache: { readonly promptTokens: readonly number[] } }): number {
  return trace.cache.promptTokens.reduce((sum, count) => sum + count, 0);
}

/** Names in the file store are nobody's business. */
export function withoutKeys<T extends TraceDocument>(trace: T): T {
  const images = trace.images.map((image) => {
    const shown = { ...image };
    delete shown.key;
    return shown;
  });
  return { ...trace, images };
}
