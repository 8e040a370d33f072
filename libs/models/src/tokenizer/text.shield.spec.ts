import { describe, expect, it } from 'vitest';
import { TextShield, withoutMarks } from './text.shield.js';
import type { TokenizerFile } from './tokenizer.file.js';

const file = (tokens: string[], rest: Partial<TokenizerFile> = {}): TokenizerFile => ({
  added_tokens: tokens.map((content, id) => ({ id, content, special: true })),
  model: { vocab: {} },
  ...rest,
});

describe('TextShield', () => {
  it('marks every place where an added token could begin, and takes the marks off again', () => {
    const shield = new TextShield(file(['<|end|>', '[x]', '😀😀']));
    const text = 'a<|end|>[x]]^\\<😀😀';
    expect(shield.shield(text)).toBe('a<\uFDD0|end|>[\uFDD0x]]^\\<\uFDD0😀\uFDD0😀\uFDD0');
    expect(shield.unshield(shield.shield(text))).toBe(text);
  });

  it('does not let a text bring marks of its own', () => {
    expect(new TextShield(file(['<s>'])).shield('\uFDD0<\uFDD0s>')).toBe('<\uFDD0s>');
  });

  it('leaves a text alone where there are no added tokens', () => {
    expect(new TextShield(file([])).shield('<s>')).toBe('<s>');
  });
});

describe('withoutMarks', () => {
  it('drops marks before a text is split into words, and after all that looks for tokens', () => {
    const dropping = { type: 'Replace', pattern: { String: '\uFDD0' }, content: '' };
    const own = { type: 'ByteLevel' };
    expect(withoutMarks(file([])).pre_tokenizer).toEqual({ type: 'Sequence', pretokenizers: [dropping] });
    expect(withoutMarks(file([], { pre_tokenizer: own })).pre_tokenizer).toEqual({
      type: 'Sequence',
      pretokenizers: [dropping, own],
    });
  });
});
