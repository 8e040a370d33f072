import type { Segment } from '@madakv/models';
import { expect, it } from 'vitest';
import { promptText } from './prompt.text.js';

/** Ids are the bytes of UTF-8; 256 begins a turn, 257 stands for an image, 258 is a token of two bytes, 259 says nothing. */
const TOKENIZER = {
  isSpecial: (id: number): boolean => id === 256,
  token: (id: number): string | undefined => (id === 256 ? '<|turn|>' : undefined),
  tokenBytes: (id: number): Uint8Array => {
    if (id === 258) return Uint8Array.of(0x61, 0xc3);
    return id < 256 ? Uint8Array.of(id) : new Uint8Array();
  },
};

/** @param images `[start, end)` of each, in the prompt's order */
function read(ids: readonly number[], images: readonly (readonly [number, number])[] = [], ofPrompt = [0, 1]) {
  const segments: Segment[] = [];
  let at = 0;
  for (const [image, [start, end]] of images.entries()) {
    if (start > at) segments.push({ start: at, end: start, modality: 'text' });
    segments.push({ start, end, modality: 'visual', image });
    at = end;
  }
  if (at < ids.length) segments.push({ start: at, end: ids.length, modality: 'text' });
  return promptText({ inputIds: Int32Array.from(ids), segments }, ofPrompt, TOKENIZER).runs;
}

const bytes = (text: string): number[] => [...Buffer.from(text)];

it('is token by token, and joins those that only together are a character', () => {
  expect(read(bytes('a é€'))).toEqual([{ kind: 'text', start: 0, pieces: ['a', ' ', ['é', 2], ['€', 3]] }]);
});

it('a token that ends one character and begins the next leaves the next to the following token', () => {
  expect(read([258, 0xa9])).toEqual([{ kind: 'text', start: 0, pieces: ['a', 'é'] }]);
});

it('bytes that are no text show as such, wherever the text breaks off', () => {
  expect(read([0x61, 0xc3, 256])).toEqual([
    { kind: 'text', start: 0, pieces: ['a', '\uFFFD'] },
    { kind: 'special', start: 2, text: '<|turn|>' },
  ]);
  expect(read([258])).toEqual([{ kind: 'text', start: 0, pieces: ['a\uFFFD'] }]);
  expect(read([0xe2, 0x82])).toEqual([{ kind: 'text', start: 0, pieces: [['\uFFFD', 2]] }]);
  expect(read([0x61, 259])).toEqual([{ kind: 'text', start: 0, pieces: ['a', ''] }]);
});

it('tells tokens that are no text, and images by their number in the request', () => {
  expect(
    read(
      [256, 257, 257, 0x61, 257, 256],
      [
        [1, 3],
        [4, 5],
      ],
      [3, 0],
    ),
  ).toEqual([
    { kind: 'special', start: 0, text: '<|turn|>' },
    { kind: 'image', start: 1, tokens: 2, image: 3 },
    { kind: 'text', start: 3, pieces: ['a'] },
    { kind: 'image', start: 4, tokens: 1, image: 0 },
    { kind: 'special', start: 5, text: '<|turn|>' },
  ]);
});
