import { isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';
import { UsageError } from '../exit.codes.js';

/** A sheet's text, without a byte order mark, and what its bytes were read as. */
export interface SheetText {
  readonly text: string;
  /** `UTF-8`, as people name it. */
  readonly encoding: string;
}

const MARKS = [
  // Before UTF-16, whose mark it begins with.
  { bytes: [0xff, 0xfe, 0, 0], encoding: 'UTF-32LE' },
  { bytes: [0, 0, 0xfe, 0xff], encoding: 'UTF-32BE' },
  { bytes: [0xef, 0xbb, 0xbf], encoding: 'UTF-8' },
  { bytes: [0xff, 0xfe], encoding: 'UTF-16LE' },
  { bytes: [0xfe, 0xff], encoding: 'UTF-16BE' },
] as const;

/** What is saved under the name of a sheet and is none. */
const OTHER_KINDS = [
  { head: 'PK\x03\x04', what: 'a workbook or another ZIP archive; save the sheet as CSV' },
  { head: '\xd0\xcf\x11\xe0', what: 'a workbook of an old Excel; save the sheet as CSV' },
  { head: '%PDF-', what: 'a PDF, not a CSV file of questions' },
] as const;

/** Bytes that are looked at for NULs. */
const HEAD_BYTES = 4_096;
const REPLACEMENT = '\ufffd';

/**
 * Decodes a sheet as spreadsheets save them: by its byte order mark; without one as UTF-8 where it is that, as UTF-16
 * where every other byte is zero, else as Windows-1252.
 * @param encoding read as this instead
 * @throws UsageError naming the encoding when the bytes are none that can be read, or not of the one that was named
 */
export function decodeSheet(content: Buffer, name: string, encoding?: string): SheetText {
  const head = content.subarray(0, 8).toString('latin1');
  const other = OTHER_KINDS.find((kind) => head.startsWith(kind.head));
  if (other !== undefined) throw new UsageError(`${name}: this is ${other.what}`);
  const marked = MARKS.find(({ bytes }) => bytes.every((byte, index) => content.at(index) === byte))?.encoding;
  const found = encoding ?? marked ?? unmarkedEncoding(content);
  const isKnown: boolean = iconv.encodingExists(found);
  if (!isKnown) throw new UsageError(`--encoding ${found}: no such encoding is known`);
  const text = iconv.decode(content, found);
  if (text.includes('\0')) throw new UsageError(`${name}: NUL characters in it, read as ${found}: this is no text`);
  // A sheet may hold the character itself only where bytes can spell it.
  const spelled = /^utf/i.test(found) && encoding === undefined && marked === undefined;
  if (text.includes(REPLACEMENT) && !spelled) {
    const hint = encoding === undefined ? '; save it as UTF-8, or name its encoding with --encoding' : '';
    throw new UsageError(`${name}: line ${lineOf(text, REPLACEMENT)} has bytes that are not ${found}${hint}`);
  }
  return { text, encoding: found };
}

function unmarkedEncoding(content: Buffer): string {
  if (isUtf8(content) && !content.subarray(0, HEAD_BYTES).includes(0)) return 'UTF-8';
  const head = content.subarray(0, HEAD_BYTES);
  const zeros = [0, 0];
  head.forEach((byte, index) => {
    if (byte === 0) zeros[index % 2]++;
  });
  // Letters of European languages have a zero byte each.
  const most = head.length / 4;
  if (zeros[1] > most && zeros[0] === 0) return 'UTF-16LE';
  if (zeros[0] > most && zeros[1] === 0) return 'UTF-16BE';
  return 'Windows-1252';
}

function lineOf(text: string, character: string): number {
  return text.slice(0, text.indexOf(character)).split(/\r\n|\r|\n/).length;
}
