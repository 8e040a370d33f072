import { expect, it } from 'vitest';
import type { ImagePlace } from '../api/types.js';
import { cellsOf, textRuns } from './cells.js';

/** Tokens 3 to 12: three of the whole, then two lines of two cells and an end. */
const IMAGE: ImagePlace = {
  index: 0,
  part: 'p',
  page: null,
  width: 2,
  height: 2,
  start: 6,
  rows: 2,
  columns: 2,
  stride: 3,
  tokens: 9,
  url: null,
};
const heat = Uint8Array.from({ length: 14 }, (_, token) => token);

it('takes the cells of an image out of a prompt, and leaves out what ends its lines', () => {
  expect([...cellsOf(IMAGE, heat)]).toEqual([6, 7, 9, 10]);
  expect([...cellsOf({ ...IMAGE, columns: 3 }, heat)]).toEqual([6, 7, 8, 9, 10, 11]);
  expect([...cellsOf({ ...IMAGE, start: null }, heat)]).toEqual([]);
});

it('text is what is of no image', () => {
  expect(textRuns(14, [IMAGE])).toEqual([
    { start: 0, end: 3 },
    { start: 12, end: 14 },
  ]);
  const second = { ...IMAGE, start: 12, rows: 1, columns: 2, stride: 2, tokens: 2 };
  expect(textRuns(14, [second, IMAGE])).toEqual([{ start: 0, end: 3 }]);
  expect(textRuns(2, [])).toEqual([{ start: 0, end: 2 }]);
});
