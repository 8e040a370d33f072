import type { TokenizerFile } from './tokenizer.file.js';

/** A noncharacter (Unicode 23.7): no text that is exchanged has it. The tokenizer drops it after it has looked for added tokens. */
const MARK = '\uFDD0';

/**
 * Keeps added tokens out of a text: behind every character that one of them begins with stands a mark, so none is found,
 * neither in the text nor across its end, and after the search the mark is dropped.
 * A token of a single character cannot be kept out.
 */
export class TextShield {
  private readonly starts: RegExp | undefined;

  constructor(file: TokenizerFile) {
    const starts = new Set(file.added_tokens.map(({ content }) => String.fromCodePoint(content.codePointAt(0) ?? 0)));
    const set = [...starts].map((character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`).join('');
    this.starts = set === '' ? undefined : new RegExp(`[${set}]`, 'gu');
  }

  shield(text: string): string {
    const plain = this.unshield(text);
    return this.starts === undefined ? plain : plain.replace(this.starts, `$&${MARK}`);
  }

  unshield(text: string): string {
    return text.replaceAll(MARK, '');
  }
}

/**
 * The file of a tokenizer that drops marks when it splits a text into words. Added tokens are looked for before and after it
 * normalises, and a text between two of them is compared with each once more: only then are marks of no more use.
 */
export function withoutMarks(file: TokenizerFile): TokenizerFile {
  const dropping = { type: 'Replace', pattern: { String: MARK }, content: '' };
  const { pre_tokenizer: own } = file;
  return {
    ...file,
    pre_tokenizer: { type: 'Sequence', pretokenizers: own == null ? [dropping] : [dropping, own] },
  };
}
