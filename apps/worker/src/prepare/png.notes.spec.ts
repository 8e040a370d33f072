import sharp from 'sharp';
import { expect, it } from 'vitest';
import { NOTED_BYTES, notesOf, withNotes } from './png.notes.js';

const blank = sharp({ create: { width: 3, height: 2, channels: 3, background: 'white' } }).png();

it('notes words in a PNG that stays one', async () => {
  const png = await blank.toBuffer();
  const noted = Buffer.from(withNotes(png, ['text_not_drawn', 'blank_page']));
  expect(notesOf(noted.subarray(0, NOTED_BYTES))).toEqual(['text_not_drawn', 'blank_page']);
  expect(await sharp(noted).metadata()).toMatchObject({ format: 'png', width: 3, height: 2 });
  expect(Buffer.compare(await sharp(noted).raw().toBuffer(), await sharp(png).raw().toBuffer())).toBe(0);
});

it('finds none where there are none', async () => {
  const png = await blank.toBuffer();
  expect(withNotes(png, [])).toBe(png);
  expect(notesOf(png)).toEqual([]);
  expect(notesOf(Buffer.alloc(10))).toEqual([]);
  expect(notesOf(await blank.withMetadata({ density: 300 }).toBuffer())).toEqual([]);
});
