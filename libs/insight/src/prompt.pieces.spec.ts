import type { PromptText } from '@madakv/contracts';
import { expect, it } from 'vitest';
import { promptPieces } from './prompt.pieces.js';

const TEXT: PromptText = {
  version: 1,
  tokens: 10,
  runs: [
    { kind: 'special', start: 0, text: '<s>' },
    { kind: 'image', start: 1, tokens: 4, image: 0 },
    { kind: 'text', start: 5, pieces: ['a', ['é', 2], 'b', 'c'] },
  ],
};

it('gives every piece its first token, a stretch at a time', () => {
  const first = promptPieces(TEXT, 0, 3);
  expect(first).toEqual({
    data: [
      { kind: 'special', start: 0, tokens: 1, text: '<s>' },
      { kind: 'image', start: 1, tokens: 4, image: 0 },
      { kind: 'text', start: 5, tokens: 1, text: 'a' },
    ],
    next: 6,
  });
  const second = promptPieces(TEXT, first.next ?? 0, 3);
  expect(second).toEqual({
    data: [
      { kind: 'text', start: 6, tokens: 2, text: 'é' },
      { kind: 'text', start: 8, tokens: 1, text: 'b' },
      { kind: 'text', start: 9, tokens: 1, text: 'c' },
    ],
    next: null,
  });
  expect(promptPieces(TEXT, 7, 1)).toMatchObject({ data: [{ text: 'b' }], next: 9 });
  expect(promptPieces(TEXT, 10, 3)).toEqual({ data: [], next: null });
});
