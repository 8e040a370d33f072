import { DocumentError } from '../document.error.js';
import { formatBytes } from '../quantity.format.js';

export interface DataUrl {
  /** As written, in lower case, without parameters; empty when none stands there. */
  mediaType: string;
  bytes: Uint8Array;
}

/** Longest `type/subtype;parameters` that is read, in characters. */
const MAX_HEADER = 256;

export function isDataUrl(url: string): boolean {
  return /^data:/i.test(url);
}

/**
 * Decodes `data:[type][;parameters][;base64],content` (RFC 2397). The size is known, and checked, before decoding.
 * @param maxBytes largest decoded content, in bytes
 * @throws DocumentError `bad_data_url`, `document_too_large`
 */
export function parseDataUrl(url: string, maxBytes: number): DataUrl {
  if (!isDataUrl(url)) throw bad('the URL does not begin with "data:"');
  const comma = url.slice(0, MAX_HEADER).indexOf(',');
  if (comma < 0) throw bad(`the data URL has no comma in its first ${MAX_HEADER} characters`);
  const [mediaType, ...parameters] = url.slice('data:'.length, comma).split(';');
  const base64 = parameters.some((parameter) => parameter.trim().toLowerCase() === 'base64');
  const content = url.slice(comma + 1);
  return {
    mediaType: mediaType.trim().toLowerCase(),
    bytes: base64 ? parseBase64(content, maxBytes) : decodePercent(content, maxBytes),
  };
}

/**
 * Decodes base64 as it comes: with either alphabet, with or without padding, in one line or in many. The size is known,
 * and checked, before decoding.
 * @param maxBytes largest decoded content, in bytes
 * @throws DocumentError `bad_data_url`, `document_too_large`
 */
export function parseBase64(content: string, maxBytes: number): Uint8Array {
  const line = /[%\s]/.test(content) ? unwrapped(content) : content;
  // Lenient decoders drop what they do not know, so a broken upload would come out as a broken image.
  const padding = line.endsWith('==') ? 2 : line.endsWith('=') ? 1 : 0;
  const digits = line.length - padding;
  checkSize(Math.floor((digits * 3) / 4), maxBytes);
  if (!/^[A-Za-z0-9+/_-]*$/.test(padding === 0 ? line : line.slice(0, digits))) throw bad('its content is not base64');
  if (digits % 4 === 1 || (padding > 0 && line.length % 4 !== 0)) throw bad('its base64 content is cut off');
  return Buffer.from(line, 'base64');
}

/** Mail and PEM break lines, and URLs may escape `+`, `/`, `=` and line breaks. */
function unwrapped(content: string): string {
  const plain = content.replace(/%([0-7][0-9A-Fa-f])/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return plain.replace(/[\t\n\f\r ]+/g, '');
}

function decodePercent(content: string, maxBytes: number): Uint8Array {
  const escapes = content.match(/%[0-9A-Fa-f]{2}/g)?.length ?? 0;
  checkSize(content.length - 2 * escapes, maxBytes);
  // eslint-disable-next-line no-control-regex
  if (/%(?![0-9A-Fa-f]{2})|[^\x00-\x7f]/.test(content)) throw bad('its content is not percent-encoded');
  const bytes = Buffer.from(
    content.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  return bytes;
}

function checkSize(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new DocumentError(
    'document_too_large',
    `the data holds ${formatBytes(bytes)}; the limit is ${formatBytes(maxBytes)}`,
  );
}

function bad(why: string): DocumentError {
  return new DocumentError('bad_data_url', `not data that can be read: ${why}`);
}
