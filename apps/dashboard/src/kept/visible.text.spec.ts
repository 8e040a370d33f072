import { expect, it } from 'vitest';
import { mostOf, shadeOf, visibleText } from './visible.text.js';

it('shows white space that would not be seen', () => {
  expect(visibleText(' the')).toBe(' the');
  expect(visibleText('  ')).toBe('··');
  expect(visibleText('\n\n')).toBe('↵\n↵\n');
  expect(visibleText('a\tb\r\n')).toBe('a⇥\tb␍↵\n');
  expect(visibleText('')).toBe('');
});

it('shades a piece by the token that most kept', () => {
  const heat = Uint8Array.of(0, 1, 128, 255);
  expect([0, 1, 2, 3].map((token) => shadeOf(heat, token, 1))).toEqual([0, 1, 5, 8]);
  expect(shadeOf(heat, 0, 3)).toBe(5);
  expect([mostOf(heat, 0, 3), mostOf(heat, 3, 5), mostOf(heat, 9, 1)]).toEqual([128, 255, 0]);
  expect(shadeOf(heat, 3, 5)).toBe(8);
});
