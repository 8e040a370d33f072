import type { AnsweredTrace, Comparison } from '@madakv/contracts';
import { promptTokens } from './trace.view.js';

interface Overlap {
  readonly both: number;
  readonly only_a: number;
  readonly only_b: number;
  readonly overlap: number;
}

/** Set bits of a byte, by the byte. */
const BIT_COUNT: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

/**
 * Which rows two requests kept in common. They are comparable where model, prompt and heads have the same shape; whether the prompts say
 * the same, a trace does not know.
 */
export function compareTraces(a: AnsweredTrace, b: AnsweredTrace): Comparison {
  const comparable = shapeOf(a) === shapeOf(b) && a.cache.layers.length > 0;
  const layers = comparable
    ? a.cache.layers.map((layer, i) => ({
        layer: layer.layer,
        ...overlapOf(layer.positions, b.cache.layers[i].positions, promptTokens(a)),
      }))
    : [];
  const sum = (key: 'both' | 'only_a' | 'only_b'): number => layers.reduce((total, layer) => total + layer[key], 0);
  const rows = comparable ? withShare(sum('both'), sum('only_a'), sum('only_b')) : null;
  return { object: 'comparison', a: summary(a), b: summary(b), comparable, rows, layers };
}

function shapeOf({ model, cache }: AnsweredTrace): string {
  const layers = cache.layers.map(({ layer, positions }) => [layer, positions.length]);
  return JSON.stringify([model, cache.modalities, cache.promptTokens, layers]);
}

/** @param tokens of the prompt: bits beyond it say nothing */
function overlapOf(a: readonly string[], b: readonly string[], tokens: number): Overlap {
  let [both, onlyA, onlyB] = [0, 0, 0];
  const bytes = Math.ceil(tokens / 8);
  const lastMask = tokens % 8 === 0 ? 0xff : (1 << (tokens % 8)) - 1;
  for (const [head, encoded] of a.entries()) {
    const [one, other] = [Buffer.from(encoded, 'base64'), Buffer.from(b[head], 'base64')];
    for (let at = 0; at < bytes; at++) {
      const mask = at === bytes - 1 ? lastMask : 0xff;
      const [x, y] = [(one[at] ?? 0) & mask, (other[at] ?? 0) & mask];
      both += BIT_COUNT[x & y];
      onlyA += BIT_COUNT[x & ~y & 0xff];
      onlyB += BIT_COUNT[y & ~x & 0xff];
    }
  }
  return withShare(both, onlyA, onlyB);
}

function withShare(both: number, only_a: number, only_b: number): Overlap {
  const either = both + only_a + only_b;
  return { both, only_a, only_b, overlap: either === 0 ? 1 : both / either };
}

function summary({ id, model, cache, ms }: AnsweredTrace): Comparison['a'] {
  const { full, peak, afterEviction: kept } = cache.bytes;
  const { policy, ratio } = cache;
  const prompt_tokens = cache.promptTokens.reduce((total, count) => total + count, 0);
  return { id, model, policy, ratio, prompt_tokens, bytes: { full, peak, kept }, total_ms: ms.total };
}
