import { DocumentError } from '../document.error.js';
import { contentKind, declaredKind, type ContentKind } from './content.kind.js';

export const MEDIA_TYPES = [
  'application/pdf',
  'image/png',
  'image/jpeg',
  'image/webp',
  'image/gif',
  'image/tiff',
] as const;
export type MediaType = (typeof MEDIA_TYPES)[number];

/** Declared types that say nothing about the content. */
const UNSPECIFIC = new Set(['application/octet-stream', 'binary/octet-stream', 'application/x-download', '']);

/** Names in use for the same thing. */
const ALIASES: Readonly<Record<string, MediaType>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-png': 'image/png',
  'image/tif': 'image/tiff',
  'image/x-tiff': 'image/tiff',
  'application/x-pdf': 'application/pdf',
};

/** Readers find a PDF's header anywhere in this many first bytes. */
const PDF_HEADER_WINDOW = 1024;

/** What the bytes are, by their first ones; undefined when they are none of {@link MEDIA_TYPES}. */
export function sniffMediaType(bytes: Uint8Array): MediaType | undefined {
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'image/png';
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return 'image/jpeg';
  if (/^GIF8[79]a/.test(ascii(bytes, 0, 6))) return 'image/gif';
  // Little or big end first; the second of each kind has 64-bit offsets.
  if (/^(?:II[*+]\0|MM\0[*+])/.test(ascii(bytes, 0, 4))) return 'image/tiff';
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'image/webp';
  if (ascii(bytes, 0, PDF_HEADER_WINDOW).includes('%PDF-')) return 'application/pdf';
  return undefined;
}

/**
 * The media type of the bytes, which must be one of those accepted and the one that was declared, if any was.
 * @param declared a Content-Type or a data URL's type; parameters are ignored, unspecific ones count as none
 * @throws DocumentError `unsupported_media_type`, `media_type_mismatch`
 */
export function checkMediaType(
  bytes: Uint8Array,
  declared?: string,
  accepted: readonly MediaType[] = MEDIA_TYPES,
): MediaType {
  const found = sniffMediaType(bytes);
  const list = accepted.join(', ');
  if (found === undefined) throw unknownContent(bytes, declared, list);
  const named = declared === undefined ? undefined : checkDeclaredType(declared, accepted);
  if (named !== undefined && named !== found) {
    throw new DocumentError('media_type_mismatch', `declared as ${named}, but the content is ${found}`);
  }
  if (!accepted.includes(found)) {
    throw new DocumentError(
      'unsupported_media_type',
      `the content is ${found}; accepted here are ${list}${elsewhere(found)}`,
    );
  }
  return found;
}

/**
 * The media type that a header names, before any content is there.
 * @returns undefined for an unspecific type
 * @throws DocumentError `unsupported_media_type`
 */
export function checkDeclaredType(
  declared: string,
  accepted: readonly MediaType[] = MEDIA_TYPES,
): MediaType | undefined {
  const name = typeName(declared);
  if (UNSPECIFIC.has(name)) return undefined;
  const type = ALIASES[name] ?? name;
  const known = accepted.find((candidate) => candidate === type);
  if (known === undefined) {
    const kind = declaredKind(name);
    throw new DocumentError(
      'unsupported_media_type',
      `the type ${name.slice(0, 80)} is not accepted${kind === undefined ? '' : ` (${kind.what}; ${kind.advice})`}; ` +
        `accepted are ${accepted.join(', ')}${elsewhere(type)}`,
    );
  }
  return known;
}

/** Says what it is and what to do, where that can be told. */
function unknownContent(bytes: Uint8Array, declared: string | undefined, accepted: string): DocumentError {
  if (bytes.length === 0) return new DocumentError('unsupported_media_type', 'the content is empty');
  const kind: ContentKind | undefined = contentKind(bytes);
  const name = declared === undefined ? '' : typeName(declared);
  // Who declares what it is has said nothing wrong.
  const claim = kind === undefined && !UNSPECIFIC.has(name) ? `it was declared as ${name.slice(0, 80)}, but ` : '';
  const what = kind === undefined ? 'not recognised' : `${kind.what}; ${kind.advice}`;
  return new DocumentError('unsupported_media_type', `${claim}the content is ${what}; accepted are ${accepted}`);
}

/** Where a PDF belongs that came as an image. */
function elsewhere(type: string): string {
  return type === 'application/pdf' ? '; a PDF belongs in a part of type file' : '';
}

function typeName(declared: string): string {
  return declared.split(';', 1)[0].trim().toLowerCase();
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((value, index) => bytes[index] === value);
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', from, to);
}
