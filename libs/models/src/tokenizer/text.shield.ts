import type { TokenizerFile } from './tokenizer.file.js';

/** A noncharacter (Unicode 23.7): no text that is exchanged has it. The tokenizer drops it after it has looked for added tokens. */
const MARK = '\uFDD0';
/** For tokenizers that look for added tokens once more after that: it stays in the text. */
const ZERO_WIDTH_SPACE = '\u200B';

/**
 * Keeps added tokens out of a text: behind every character that one of them begins with stands a mark, so none is found,
 * neither in the text nor across its end, and after the search the mark is dropped.
 * A token of a single character cannot be kept out.
 */
export class TextShield {
  private readonly starts: RegExp | undefined;
  private readonly mark: string;

  constructor(file: TokenizerFile) {
    const starts = new Set(file.added_tokens.map(({ content }) => String.fromCodePoint(content.codePointAt(0) ?? 0)));
    const set = [...starts].map((character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`).join('');
    this.starts = set === '' ? undefined : new RegExp(`[${set}]`, 'gu');
    this.mark = file.added_tokens.some((token) => searchedLate(token, file)) ? ZERO_WIDTH_SPACE : MARK;
  }

  shield(text: string): string {
    const plain = this.unshield(text);
    return this.starts === undefined ? plain : plain.replace(this.starts, `$&${this.mark}`);
  }

  unshield(text: string): string {
    return text.replaceAll(MARK, '');
  }
}

/** The file of a tokenizer that drops marks before it reads a text, but after it has split it at added tokens. */
export function withoutMarks(file: TokenizerFile): TokenizerFile {
  const dropping = { type: 'Replace', pattern: { String: MARK }, content: '' };
  const { normalizer } = file;
  return {
    ...file,
    normalizer: { type: 'Sequence', normalizers: normalizer == null ? [dropping] : [dropping, normalizer] },
    // Without a normaliser of its own there is no second search; ours must not make one.
    added_tokens:
      normalizer == null ? file.added_tokens.map((token) => ({ ...token, normalized: false })) : file.added_tokens,
  };
}

function searchedLate(token: TokenizerFile['added_tokens'][number], file: TokenizerFile): boolean {
  return file.normalizer != null && (token.normalized ?? !token.special);
}
