import { inflateSync } from 'node:zlib';

/**
 * What a file may hold that pdfium does not tell: found by looking for words in its objects, without reading its
 * structure. A hint is a reason to look closer and no more, as the word may stand in a text or in an object out of use.
 */
export interface PdfHints {
  /** Pages whose unit is not 1/72 inch. */
  readonly userUnits: boolean;
  /** A portfolio: files behind a cover. */
  readonly collection: boolean;
  /** Objects that are pages, or undefined where some cannot be looked at. */
  readonly pages: number | undefined;
}

/** Objects that one stream of objects may unpack to, and all of them together, in bytes. */
const MAX_STREAM_BYTES = 16 * 1024 ** 2;
const MAX_TOTAL_BYTES = 64 * 1024 ** 2;
/** Between a stream's dictionary and its data. */
const DATA_WITHIN = 1024;

export function pdfHints(bytes: Uint8Array): PdfHints {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const packed = unpackObjects(file);
  const texts = [file, ...packed.texts];
  const has = (word: string): boolean => !packed.complete || texts.some((text) => text.includes(word));
  return {
    userUnits: has('/UserUnit'),
    collection: has('/Collection'),
    pages: packed.complete ? texts.reduce((sum, text) => sum + countPages(text), 0) : undefined,
  };
}

/** Streams of objects (PDF 32000-1, 7.5.7). `complete` says that each was unpacked. */
function unpackObjects(file: Buffer): { texts: Buffer[]; complete: boolean } {
  const texts: Buffer[] = [];
  let complete = true;
  let total = 0;
  // Their content is encrypted too.
  const encrypted = file.includes('/Encrypt');
  for (let at = file.indexOf('/ObjStm'); at >= 0; at = file.indexOf('/ObjStm', at + 1)) {
    if (encrypted || total > MAX_TOTAL_BYTES) return { texts, complete: false };
    const text = unpackAt(file, at);
    if (text === undefined) complete = false;
    else texts.push(text);
    total += text?.length ?? 0;
  }
  return { texts, complete };
}

function unpackAt(file: Buffer, at: number): Buffer | undefined {
  const word = file.indexOf('stream', at);
  if (word < 0 || word > at + DATA_WITHIN) return undefined;
  const dictionary = file.toString('latin1', file.lastIndexOf(' obj', at), word);
  let start = word + 'stream'.length;
  if (file[start] === 0x0d) start++;
  if (file[start] === 0x0a) start++;
  if (!dictionary.includes('/Filter')) {
    const end = file.indexOf('endstream', start);
    return end < 0 ? undefined : file.subarray(start, end);
  }
  if (dictionary.includes('/DecodeParms') || !/\/Filter\s*\[?\s*\/FlateDecode\s*\]?\s*(?:\/|>)/.test(dictionary)) {
    return undefined;
  }
  try {
    return inflateSync(file.subarray(start), { maxOutputLength: MAX_STREAM_BYTES });
  } catch {
    return undefined;
  }
}

function countPages(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf('/Page'); at >= 0; at = text.indexOf('/Page', at + 1)) {
    // The word before it has to be "/Type".
    const around = text.toString('latin1', Math.max(0, at - 16), at + 6);
    if (/\/Type\s*\/Page(?![A-Za-z])/.test(around)) count++;
  }
  return count;
}
