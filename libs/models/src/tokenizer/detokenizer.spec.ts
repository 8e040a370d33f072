import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Detokenizer, type TokenPiece } from './detokenizer.js';
import { readSpelling, spell } from './token.pieces.js';

const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)];
const each = (ids: readonly number[], detokenizer: Detokenizer): string[] => ids.map((id) => detokenizer.push(id));
const byteLevel = (id: number): TokenPiece => ({ kind: 'bytes', bytes: Uint8Array.of(id) });
/** Ids below 256 are fallback bytes, above that characters. */
const fallback = (id: number): TokenPiece =>
  id < 256 ? { kind: 'fallback', byte: id } : { kind: 'text', text: String.fromCodePoint(id) };

describe('Detokenizer', () => {
  it('never emits half a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const detokenizer = new Detokenizer(byteLevel, 0);
        const pieces = each(bytesOf(text), detokenizer);
        expect(pieces.join('')).toBe(text);
        expect(detokenizer.flush()).toBe('');
      }),
    );
  });

  it('emits a character with its last byte', () => {
    const detokenizer = new Detokenizer(byteLevel, 0);
    expect(each(bytesOf('a€b'), detokenizer)).toEqual(['a', '', '', '€', 'b']);
  });

  it('flushes what was never completed as one replacement character', () => {
    const detokenizer = new Detokenizer(byteLevel, 0);
    expect(each([0xe2, 0x82], detokenizer)).toEqual(['', '']);
    expect(detokenizer.flush()).toBe('\uFFFD');
    expect(detokenizer.flush()).toBe('');
  });

  it('takes a run of fallback bytes as a whole', () => {
    const detokenizer = new Detokenizer(fallback, 0);
    expect(each([...bytesOf('é'), 0x100], detokenizer)).toEqual(['', '', 'éĀ']);
    expect(each([0x41, 0xff, 0x100], detokenizer)).toEqual(['', '', '\uFFFD\uFFFDĀ']);
  });

  it('keeps a replacement character that is text', () => {
    const detokenizer = new Detokenizer(fallback, 0);
    each(bytesOf('\uFFFD'), detokenizer);
    expect(detokenizer.flush()).toBe('\uFFFD');
  });

  it('drops the leading space once, and again for the next text', () => {
    const text = (piece: string) => new Detokenizer(() => ({ kind: 'text', text: piece }), 1);
    const detokenizer = text(' a');
    expect([detokenizer.push(0), detokenizer.push(0), detokenizer.flush(), detokenizer.push(0)]).toEqual(['a', ' a', '', 'a']);
  });

  it('says nothing for ids without a piece', () => {
    expect(new Detokenizer(() => undefined, 0).push(7)).toBe('');
  });
});

describe('readSpelling', () => {
  it('reads the decoder of a Llama tokenizer', () => {
    const steps = [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ];
    const spelling = readSpelling({ type: 'Sequence', decoders: steps }, 'tokenizer.json');
    expect(spelling).toEqual({ byteLevel: false, byteFallback: true, replacements: [['▁', ' ']], stripped: 1 });
    expect(spell('▁a▁b', spelling)).toEqual({ kind: 'text', text: ' a b' });
    expect(spell('<0x0A>', spelling)).toEqual({ kind: 'fallback', byte: 10 });
  });

  it('reads the byte-level alphabet, and tokens outside it as they stand', () => {
    const spelling = readSpelling({ type: 'ByteLevel' }, 'tokenizer.json');
    expect(spell('ĠaĊ', spelling)).toEqual({ kind: 'bytes', bytes: Uint8Array.of(32, 97, 10) });
    expect(spell('漢', spelling)).toEqual({ kind: 'bytes', bytes: new TextEncoder().encode('漢') });
  });
});
