import { deflateSync } from 'node:zlib';

/*
 * PDFs for tests, written object by object so that each can be wrong in the way a test wants.
 */

export interface SamplePage {
  /** Points. */
  width: number;
  height: number;
  /** Content stream; the font is /F. */
  content: string;
  /** More entries of the page's dictionary. */
  entries?: string;
  /** More entries of the page's resources. */
  resources?: string;
}

interface WriteOptions {
  /** Entries of the catalogue. */
  catalog?: string;
  /** Entries of the trailer. */
  trailer?: string;
  /** Objects from number 4 on, which pages and catalogue may refer to. */
  objects?: (string | Buffer)[];
}

const LETTER = { width: 612, height: 792 };
const FIRST_FREE = 4;

/** A PDF of the pages given: object 1 is the catalogue, 2 the page tree, 3 the font Helvetica. */
export function writePdf(pages: SamplePage[], options: WriteOptions = {}): Buffer {
  const extra = options.objects ?? [];
  const firstPage = FIRST_FREE + extra.length;
  const kids = pages.map((_, index) => `${firstPage + 2 * index} 0 R`).join(' ');
  const objects: (string | Buffer)[] = [
    `<< /Type /Catalog /Pages 2 0 R ${options.catalog ?? ''} >>`,
    `<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    ...extra,
  ];
  pages.forEach((page, index) => {
    const { width, height, content, entries = '', resources = '' } = page;
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${width} ${height}] /Contents ${firstPage + 2 * index + 1} 0 R ` +
        `/Resources << /Font << /F 3 0 R >> ${resources} >> ${entries} >>`,
      stream('', Buffer.from(content, 'latin1')),
    );
  });
  return assemble(objects, options.trailer ?? '');
}

/** A stream object, compressed. */
export function stream(entries: string, content: Buffer): Buffer {
  const packed = deflateSync(content);
  const head = `<< /Length ${packed.length} /Filter /FlateDecode ${entries} >>\nstream\n`;
  return Buffer.concat([Buffer.from(head), packed, Buffer.from('\nendstream')]);
}

function assemble(objects: (string | Buffer)[], trailer: string): Buffer {
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1')];
  let at = parts[0].length;
  const table = ['0000000000 65535 f \n'];
  objects.forEach((object, index) => {
    const body = typeof object === 'string' ? Buffer.from(object, 'latin1') : object;
    const part = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), body, Buffer.from('\nendobj\n')]);
    table.push(`${String(at).padStart(10, '0')} 00000 n \n`);
    parts.push(part);
    at += part.length;
  });
  const size = objects.length + 1;
  const end = `xref\n0 ${size}\n${table.join('')}trailer\n<< /Size ${size} /Root 1 0 R ${trailer} >>\nstartxref\n${at}\n%%EOF\n`;
  return Buffer.concat([...parts, Buffer.from(end)]);
}

/** Pages of US letter, each with its number in large type and a black square at its top left corner. */
export function plainPdf(pageCount = 1): Buffer {
  const content = (page: number) => `0 720 72 72 re f BT /F 48 Tf 200 400 Td (Page ${page}) Tj ET`;
  return writePdf(Array.from({ length: pageCount }, (_, index) => ({ ...LETTER, content: content(index + 1) })));
}

/** One page of the size given, in points. */
export function sizedPdf(width: number, height: number, entries = ''): Buffer {
  return writePdf([{ width, height, content: `0 0 ${width / 2} ${height / 2} re f`, entries }]);
}

/** Needs a password: its keys match none. */
export function encryptedPdf(): Buffer {
  const key = 'ab'.repeat(32);
  const trailer = `/Encrypt << /Filter /Standard /V 1 /R 2 /O <${key}> /U <${key}> /P -4 >> /ID [<${key}> <${key}>]`;
  return writePdf([{ ...LETTER, content: '' }], { trailer });
}

/** Encrypted by a method that no reader has. */
export function strangelyEncryptedPdf(): Buffer {
  return writePdf([{ ...LETTER, content: '' }], { trailer: '/Encrypt << /Filter /Nobodys /V 9 >> /ID [<ab> <ab>]' });
}

/** A well-formed document without a page. */
export function emptyPdf(): Buffer {
  return writePdf([]);
}

/** Ends in the middle of its first object. */
export function truncatedPdf(): Buffer {
  return plainPdf(3).subarray(0, 40);
}

/** Has a PDF's header and then noise, the same each time. */
export function garbagePdf(bytes = 4096): Buffer {
  const noise = Buffer.alloc(bytes);
  for (let index = 0, state = 1; index < bytes; index++) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    noise[index] = state >> 16;
  }
  return Buffer.concat([Buffer.from('%PDF-1.7\n'), noise]);
}

/** The second of its two pages is missing. */
export function brokenPagePdf(): Buffer {
  const whole = plainPdf(2).toString('latin1');
  return Buffer.from(whole.replace('/Kids [4 0 R 6 0 R]', '/Kids [4 0 R 9 9 R]'), 'latin1');
}

/** One page that takes long to draw: large circles, one over the other. */
export function slowPdf(circles = 50_000): Buffer {
  const circle = '0 396 m 0 700 612 700 612 396 c 612 90 0 90 0 396 c B*\n';
  return writePdf([{ ...LETTER, content: `0.5 w\n${circle.repeat(circles)}` }]);
}

/** One page with an image of `side` x `side` pixels, all black: few bytes that take 3 `side`^2 of memory. */
export function imageBombPdf(side: number): Buffer {
  const entries = `/Type /XObject /Subtype /Image /Width ${side} /Height ${side} /ColorSpace /DeviceRGB /BitsPerComponent 8`;
  const page = { ...LETTER, content: 'q 612 0 0 792 0 0 cm /I Do Q', resources: '/XObject << /I 4 0 R >>' };
  return writePdf([page], { objects: [stream(entries, Buffer.alloc(3 * side * side))] });
}

/** A form whose text field has a value and no appearance: the reader has to draw it. */
export function formPdf(value: string): Buffer {
  const field = `<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (${value}) /Rect [100 600 500 700] /F 4 /DA (/F 60 Tf 0 g) >>`;
  return writePdf([{ ...LETTER, content: '', entries: '/Annots [4 0 R]' }], {
    catalog: '/AcroForm << /Fields [4 0 R] /NeedAppearances true /DA (/F 60 Tf 0 g) /DR << /Font << /F 3 0 R >> >> >>',
    objects: [field],
  });
}
