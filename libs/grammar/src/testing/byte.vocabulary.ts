import type { TokenVocabulary } from '../token.vocabulary.js';

/** Id that ends an answer in {@link byteVocabulary}. */
export const END = 256;

/** A token a byte, one that ends, and some that say nothing. @param words further tokens */
export function byteVocabulary(words: readonly string[] = []): TokenVocabulary {
  const further = words.map((word) => new TextEncoder().encode(word));
  return {
    size: 260 + further.length,
    endIds: [END],
    bytes: (id) => (id < 256 ? Uint8Array.of(id) : (further[id - 260] ?? new Uint8Array(0))),
  };
}
