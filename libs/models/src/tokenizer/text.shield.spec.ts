import { describe, expect, it } from 'vitest';
import { TextShield, withoutMarks } from './text.shield.js';
import type { TokenizerFile } from './tokenizer.file.js';

const file = (tokens: string[], rest: Partial<TokenizerFile> = {}, normalized = false): TokenizerFile => ({
  added_tokens: tokens.map((content, id) => ({ id, content, special: true, normalized })),
  model: { vocab: {} },
  ...rest,
});
const normalizer = { type: 'NFC' };

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

  it('uses a character that stays where tokens are searched for after normalising', () => {
    expect(new TextShield(file(['<s>'], { normalizer }, true)).shield('<s>')).toBe('<\u200Bs>');
    expect(new TextShield(file(['<s>'], {}, true)).shield('<s>')).toBe('<\uFDD0s>');
  });

  it('leaves a text alone where there are no added tokens', () => {
    expect(new TextShield(file([])).shield('<s>')).toBe('<s>');
  });
});

describe('withoutMarks', () => {
  it('drops marks before anything else is normalised', () => {
    const dropping = { type: 'Replace', pattern: { String: '\uFDD0' }, content: '' };
    expect(withoutMarks(file([])).normalizer).toEqual({ type: 'Sequence', normalizers: [dropping] });
    expect(withoutMarks(file([], { normalizer })).normalizer).toEqual({
      type: 'Sequence',
      normalizers: [dropping, normalizer],
    });
  });

  it('makes no second search for added tokens where there was none', () => {
    expect(withoutMarks(file(['<s>'], {}, true)).added_tokens[0].normalized).toBe(false);
    expect(withoutMarks(file(['<s>'], { normalizer }, true)).added_tokens[0].normalized).toBe(true);
  });
});
