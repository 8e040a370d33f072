/** Something that is no document for this system, by a name that people know, and what they can do about it. */
export interface ContentKind {
  /** With its article: `a Word document`. */
  readonly what: string;
  /** `convert it to PDF` */
  readonly advice: string;
}

const TO_PDF = 'convert it to PDF';
const TO_JPEG = 'convert it to PNG or JPEG';

const kind = (what: string, advice: string): ContentKind => ({ what, advice });
const WORD = kind('a Word document', TO_PDF);
const EXCEL = kind('an Excel workbook', TO_PDF);
const POWERPOINT = kind('a PowerPoint presentation', TO_PDF);
const ZIP = kind('a ZIP archive', 'send the files in it by themselves');
const ARCHIVE = kind('a compressed archive', 'send the files in it by themselves');
const HEIC = kind('a HEIC image', TO_JPEG);
const AVIF = kind('an AVIF image', TO_JPEG);
const BMP = kind('a BMP image', TO_JPEG);
const SVG = kind('an SVG drawing', 'convert it to PDF or PNG');
const HTML = kind('an HTML page', 'print it to PDF');
const EPUB = kind('an EPUB book', TO_PDF);
const RTF = kind('an RTF document', TO_PDF);
const TEXT = kind('plain text', 'put it into a text part of the message');
const MAIL = kind('an e-mail message', 'print it to PDF');
const POSTSCRIPT = kind('a PostScript file', TO_PDF);
const OPEN_TEXT = kind('an OpenDocument text', TO_PDF);
const OPEN_SHEET = kind('an OpenDocument spreadsheet', TO_PDF);
const OPEN_SLIDES = kind('an OpenDocument presentation', TO_PDF);
const VIDEO = kind('a video or sound', 'send its pictures as PNG or JPEG');

/** Contents that begin in a way of their own. */
const SIGNATURES: readonly (readonly [start: string, kind: ContentKind])[] = [
  ['BM', BMP],
  ['8BPS', kind('a Photoshop image', TO_JPEG)],
  ['\0\0\x01\0', kind('an icon', TO_JPEG)],
  ['\0\0\0\x0cjP  ', kind('a JPEG 2000 image', TO_JPEG)],
  ['\xff\x4f\xff\x51', kind('a JPEG 2000 image', TO_JPEG)],
  ['\0\0\0\x0cJXL ', kind('a JPEG XL image', TO_JPEG)],
  ['\xff\x0a', kind('a JPEG XL image', TO_JPEG)],
  ['AT&TFORM', kind('a DjVu document', TO_PDF)],
  ['{\\rtf', RTF],
  ['%!PS', POSTSCRIPT],
  ['\xc5\xd0\xd3\xc6', POSTSCRIPT],
  ['\x1f\x8b', ARCHIVE],
  ['BZh', ARCHIVE],
  ['7z\xbc\xaf\x27\x1c', ARCHIVE],
  ['Rar!', ARCHIVE],
  ['\xfd7zXZ\0', ARCHIVE],
  ['\x28\xb5\x2f\xfd', ARCHIVE],
  [
    '\0\x05\x16\x07',
    kind("macOS's notes about a file (AppleDouble)", 'send the file itself, whose name does not begin with "._"'),
  ],
  ['bplist', kind('a property list of macOS', 'send the document itself')],
  ['\0\x05\x16\0', kind("macOS's notes about a file (AppleSingle)", 'send the document itself')],
];

/** Names inside a ZIP file that only one kind of file has. */
const IN_ZIP: readonly (readonly [name: string, kind: ContentKind])[] = [
  ['application/epub+zip', EPUB],
  ['application/vnd.oasis.opendocument.text', OPEN_TEXT],
  ['application/vnd.oasis.opendocument.spreadsheet', OPEN_SHEET],
  ['application/vnd.oasis.opendocument.presentation', OPEN_SLIDES],
  ['word/document', WORD],
  ['xl/workbook', EXCEL],
  ['ppt/presentation', POWERPOINT],
  ['FixedDocSeq.fdseq', kind('an XPS document', TO_PDF)],
  ['Index/Document.iwa', kind('a document of Pages, Numbers or Keynote', TO_PDF)],
  ['word/', WORD],
  ['xl/', EXCEL],
  ['ppt/', POWERPOINT],
  ['[Content_Types].xml', kind('an Office document', TO_PDF)],
];

/** Names of streams, as UTF-16, in Microsoft's compound files. */
const IN_COMPOUND_FILE: readonly (readonly [name: string, kind: ContentKind])[] = [
  ['EncryptedPackage', kind('an encrypted Office document', 'take its password off and convert it to PDF')],
  ['WordDocument', kind('a Word document (.doc)', TO_PDF)],
  ['Workbook', kind('an Excel workbook (.xls)', TO_PDF)],
  ['Book', kind('an Excel workbook (.xls)', TO_PDF)],
  ['PowerPoint Document', kind('a PowerPoint presentation (.ppt)', TO_PDF)],
  ['__properties_version1', kind('an Outlook message (.msg)', 'print it to PDF')],
];

/** Of an entry, of an empty archive, of one in parts. */
const ZIP_SIGNATURES = ['PK\x03\x04', 'PK\x05\x06', 'PK\x07\x08'];

/** Brands of ISO media files. */
const HEIC_BRANDS = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'mif1', 'msf1']);
const AVIF_BRANDS = new Set(['avif', 'avis']);

/** What servers and data URLs call such contents. */
const BY_MEDIA_TYPE: Readonly<Record<string, ContentKind>> = {
  'text/html': HTML,
  'application/xhtml+xml': HTML,
  'text/plain': TEXT,
  'text/csv': TEXT,
  'application/json': TEXT,
  'application/msword': WORD,
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': WORD,
  'application/vnd.ms-excel': EXCEL,
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': EXCEL,
  'application/vnd.ms-powerpoint': POWERPOINT,
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': POWERPOINT,
  'application/vnd.oasis.opendocument.text': OPEN_TEXT,
  'application/vnd.oasis.opendocument.spreadsheet': OPEN_SHEET,
  'application/vnd.oasis.opendocument.presentation': OPEN_SLIDES,
  'application/epub+zip': EPUB,
  'application/rtf': RTF,
  'text/rtf': RTF,
  'application/postscript': POSTSCRIPT,
  'application/zip': ZIP,
  'application/x-zip-compressed': ZIP,
  'application/gzip': ARCHIVE,
  'message/rfc822': MAIL,
  'image/heic': HEIC,
  'image/heif': HEIC,
  'image/avif': AVIF,
  'image/bmp': BMP,
  'image/svg+xml': SVG,
};

/** Bytes at either end that are searched for names; a ZIP file's list of names stands at its end. */
const SEARCHED = 256 * 1024;
/** Bytes that are looked at to tell text from anything else. */
const TEXT_SAMPLE = 4096;

/** What the bytes are, as far as that can be told; undefined when nothing is known about them. */
export function contentKind(bytes: Uint8Array): ContentKind | undefined {
  const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = content.toString('latin1', 0, TEXT_SAMPLE);
  if (ZIP_SIGNATURES.some((signature) => start.startsWith(signature))) return named(content, 'latin1', IN_ZIP) ?? ZIP;
  if (start.startsWith('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')) {
    return named(content, 'utf16le', IN_COMPOUND_FILE) ?? kind('an Office document of the old format', TO_PDF);
  }
  if (start.slice(4, 8) === 'ftyp') return mediaKind(start);
  return (
    SIGNATURES.find(([signature]) => start.startsWith(signature))?.[1] ?? textKind(content.subarray(0, TEXT_SAMPLE))
  );
}

/** What a media type stands for; undefined for one that is not known here. */
export function declaredKind(mediaType: string): ContentKind | undefined {
  return Object.hasOwn(BY_MEDIA_TYPE, mediaType) ? BY_MEDIA_TYPE[mediaType] : undefined;
}

function named(
  content: Buffer,
  encoding: BufferEncoding,
  names: readonly (readonly [string, ContentKind])[],
): ContentKind | undefined {
  const ends = [content.subarray(0, SEARCHED), content.subarray(-SEARCHED)];
  // A compound file's names may stand anywhere in it.
  const places = encoding === 'utf16le' ? [content] : ends;
  return names.find(([name]) => places.some((place) => place.includes(name, 0, encoding)))?.[1];
}

function mediaKind(start: string): ContentKind {
  const brands = [start.slice(8, 12), ...(start.slice(16, 64).match(/.{4}/gs) ?? [])];
  if (brands.some((brand) => AVIF_BRANDS.has(brand))) return AVIF;
  return brands.some((brand) => HEIC_BRANDS.has(brand)) ? HEIC : VIDEO;
}

/** Undefined for what is not text. */
function textKind(sample: Buffer): ContentKind | undefined {
  const text = asText(sample)
    ?.replace(/^\ufeff/, '')
    .trimStart();
  if (text === undefined) return undefined;
  const lower = text.slice(0, 1024).toLowerCase();
  if (/^(?:<!doctype html|<html|<head|<body)/.test(behindComments(lower)) || lower.includes('<html')) return HTML;
  if (lower.includes('<svg')) return SVG;
  if (lower.startsWith('<?xml') || /^<[a-z]/.test(lower)) return kind('an XML file', TEXT.advice);
  if (
    /^(?:from|received|return-path|mime-version|delivered-to|x-[a-z-]+): /.test(lower) &&
    /^mime-version:|^subject:/m.test(lower)
  ) {
    return MAIL;
  }
  return TEXT;
}

/** Markup behind the comments that it begins with. */
function behindComments(text: string): string {
  let at = 0;
  while (text.startsWith('<!--', at)) {
    const end = text.indexOf('-->', at);
    if (end < 0) return '';
    at = end + 3;
    while (/\s/.test(text.charAt(at))) at++;
  }
  return text.slice(at);
}

/** UTF-8 or UTF-16 with a mark, without control characters but white space; the sample may end inside a character. */
function asText(sample: Buffer): string | undefined {
  if (sample.length === 0) return undefined;
  const utf16 = sample[0] === 0xff && sample[1] === 0xfe ? 'utf-16le' : undefined;
  const bigEndian = sample[0] === 0xfe && sample[1] === 0xff ? 'utf-16be' : undefined;
  try {
    const text = new TextDecoder(utf16 ?? bigEndian ?? 'utf-8', { fatal: true }).decode(sample, { stream: true });
    // eslint-disable-next-line no-control-regex
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
