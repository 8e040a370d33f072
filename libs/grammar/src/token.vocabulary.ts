/** A tokenizer's vocabulary as a grammar sees it: the bytes that each token adds to the answer. */
export interface TokenVocabulary {
  /** Logits that a model gives: ids beyond the tokenizer's own are padding. */
  readonly size: number;
  /** Ids that end an answer. */
  readonly endIds: readonly number[];
  /** UTF-8, or a part of it. Empty for a token that says nothing, such as a special one: it is never allowed. */
  bytes(id: number): Uint8Array;
}

/** GPT-2's alphabet: bytes as characters, which is how xgrammar takes tokens that are no text. */
const ALPHABET = byteAlphabet();

/** Tokens in that alphabet, in the order of their ids. */
export function encodedTokens(vocabulary: TokenVocabulary): string[] {
  return Array.from({ length: vocabulary.size }, (_, id) =>
    Array.from(vocabulary.bytes(id), (byte) => ALPHABET[byte]).join(''),
  );
}

function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 0x100 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(printable ? byte : next++);
  });
}
