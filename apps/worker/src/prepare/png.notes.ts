import { crc32 } from 'node:zlib';

/*
 * A page and what is missing from it are one file: a text chunk of the PNG (PNG 1.2, 11.3.4.3), which decoders pass over.
 * Both come and go together, however many processes draw the same document.
 */

const KEYWORD = 'madakv-warnings';
/** Signature and header; the text comes right behind them. */
const HEADER_BYTES = 8 + 25;
/** From the beginning of a PNG, enough to read what was noted. */
export const NOTED_BYTES = 512;

/** @param notes words without spaces; the file is as it was where there are none */
export function withNotes(png: Uint8Array, notes: readonly string[]): Uint8Array {
  if (notes.length === 0) return png;
  const typeAndText = Buffer.from(`tEXt${KEYWORD}\0${notes.join(' ')}`, 'latin1');
  const chunk = Buffer.alloc(typeAndText.length + 8);
  chunk.writeUInt32BE(typeAndText.length - 4, 0);
  typeAndText.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(typeAndText), typeAndText.length + 4);
  return Buffer.concat([png.subarray(0, HEADER_BYTES), chunk, png.subarray(HEADER_BYTES)]);
}

/** @param start the PNG's first {@link NOTED_BYTES}, or more */
export function notesOf(start: Buffer): string[] {
  if (start.length < HEADER_BYTES + 8) return [];
  const length = start.readUInt32BE(HEADER_BYTES);
  const text = start.toString('latin1', HEADER_BYTES + 4, HEADER_BYTES + 8 + length);
  const before = `tEXt${KEYWORD}\0`;
  return text.startsWith(before) ? text.slice(before.length).split(' ') : [];
}
