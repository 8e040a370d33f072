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
export function plainPdf(pageCount = 1, options: WriteOptions = {}): Buffer {
  const content = (page: number) => `0 720 72 72 re f BT /F 48 Tf 200 400 Td (Page ${page}) Tj ET`;
  const pages = Array.from({ length: pageCount }, (_, index) => ({ ...LETTER, content: content(index + 1) }));
  return writePdf(pages, options);
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
  const image = stream(imageEntries(side, side, '/DeviceRGB'), Buffer.alloc(3 * side * side));
  return writePdf([imagePage(LETTER)], { objects: [image] });
}

/** A form whose text field has a value and no appearance: the reader has to draw it. */
export function formPdf(value: string): Buffer {
  const field = `<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (${value}) /Rect [100 600 500 700] /F 4 /DA (/F 60 Tf 0 g) >>`;
  return writePdf([{ ...LETTER, content: '', entries: '/Annots [4 0 R]' }], {
    catalog: '/AcroForm << /Fields [4 0 R] /NeedAppearances true /DA (/F 60 Tf 0 g) /DR << /Font << /F 3 0 R >> >> >>',
    objects: [field],
  });
}

/** An image as a page's only content, of `width` x `height` pixels with stripes, on a page of the size given in points. */
export function scanPdf(page: { width: number; height: number }, width: number, height: number): Buffer {
  const rows = Array.from({ length: height }, (_, row) => Buffer.alloc(width, row % 4 < 2 ? 0 : 255));
  const image = stream(imageEntries(width, height, '/DeviceGray'), Buffer.concat(rows));
  return writePdf([imagePage(page)], { objects: [image] });
}

/** One page in units of `unit` points. */
export function userUnitPdf(width: number, height: number, unit: number): Buffer {
  return sizedPdf(width, height, `/UserUnit ${unit}`);
}

/** Pages of US letter whose tree states another number of them. @param catalog entries of its catalogue */
export function miscountedPdf(pageCount: number, stated: number, catalog = ''): Buffer {
  const whole = plainPdf(pageCount, { catalog }).toString('latin1');
  const [truth, lie] = [`/Count ${pageCount} >>`, `/Count ${stated} >>`];
  return Buffer.from(whole.replace(truth, lie), 'latin1');
}

/** The same, with the page tree inside a compressed stream of objects. */
export function packedMiscountedPdf(pageCount: number, stated: number): Buffer {
  const font = '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>';
  const content = stream('', Buffer.from('BT /F 48 Tf 200 400 Td (Page) Tj ET'));
  const pageAt = (index: number): number => 5 + index;
  const kids = Array.from({ length: pageCount }, (_, index) => `${pageAt(index)} 0 R`).join(' ');
  const packed = new Map<number, string>([
    [1, '<< /Type /Catalog /Pages 2 0 R >>'],
    [2, `<< /Type /Pages /Kids [${kids}] /Count ${stated} >>`],
    [3, font],
  ]);
  for (let index = 0; index < pageCount; index++) {
    const resources = '/Resources << /Font << /F 3 0 R >> >>';
    packed.set(pageAt(index), `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R ${resources} >>`);
  }
  return writePacked(packed, new Map([[4, content]]));
}

/** A PDF 1.5 file: some objects in one stream of objects, others by themselves, and a stream as the table of both. */
function writePacked(packed: ReadonlyMap<number, string>, plain: ReadonlyMap<number, Buffer>): Buffer {
  const holder = Math.max(...packed.keys(), ...plain.keys()) + 1;
  const bodies = [...packed.values()];
  const offsets = bodies.map((_, index) => bodies.slice(0, index).reduce((sum, body) => sum + body.length + 1, 0));
  const head = [...packed.keys()].map((number, index) => `${number} ${offsets[index]}`).join(' ') + ' ';
  const objects = new Map(plain);
  objects.set(
    holder,
    stream(`/Type /ObjStm /N ${packed.size} /First ${head.length}`, Buffer.from(head + bodies.join('\n'), 'latin1')),
  );
  const parts: Buffer[] = [Buffer.from('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n', 'latin1')];
  const rows = new Map<number, number[]>([[0, [0, 0, 255]]]);
  [...packed.keys()].forEach((number, index) => rows.set(number, [2, holder, index]));
  const table = holder + 1;
  const length = (): number => parts.reduce((sum, part) => sum + part.length, 0);
  for (const [number, body] of objects) {
    rows.set(number, [1, length(), 0]);
    parts.push(Buffer.from(`${number} 0 obj\n`), body, Buffer.from('\nendobj\n'));
  }
  const start = length();
  rows.set(table, [1, start, 0]);
  const entries = Array.from({ length: table + 1 }, (_, number) => {
    const [type, second, third] = rows.get(number) ?? [0, 0, 0];
    return Buffer.from([type, second >> 16, (second >> 8) & 255, second & 255, third]);
  });
  const xref = stream(`/Type /XRef /Size ${table + 1} /W [1 3 1] /Root 1 0 R`, Buffer.concat(entries));
  parts.push(Buffer.from(`${table} 0 obj\n`), xref, Buffer.from(`\nendobj\nstartxref\n${start}\n%%EOF\n`));
  return Buffer.concat(parts);
}

/** A form that stands in its XFA; the page only asks to wait. @param dynamic whether the XFA makes the pages */
export function xfaPdf(dynamic: boolean): Buffer {
  const content = 'BT /F 24 Tf 72 700 Td (Please wait...) Tj ET';
  const xfa = stream('', Buffer.from('<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"><template/></xdp:xdp>'));
  const catalog = `/AcroForm << /Fields [] /XFA 4 0 R >> ${dynamic ? '/NeedsRendering true' : ''}`;
  return writePdf([{ ...LETTER, content }], { catalog, objects: [xfa] });
}

/** A page, and files attached to it. @param portfolio whether the page is only their cover */
export function attachmentPdf(names: readonly string[], portfolio = false): Buffer {
  const objects = names.flatMap((name, index) => [
    `<< /Type /Filespec /F (${name}) /UF (${name}) /EF << /F ${5 + 2 * index} 0 R >> >>`,
    stream('/Type /EmbeddedFile', Buffer.from('attached')),
  ]);
  const tree = names.map((name, index) => `(${name}) ${4 + 2 * index} 0 R`).join(' ');
  const catalog = `/Names << /EmbeddedFiles << /Names [${tree}] >> >> ${portfolio ? '/Collection << /View /D >>' : ''}`;
  return writePdf([{ ...LETTER, content: 'BT /F 24 Tf 72 700 Td (A cover) Tj ET' }], { catalog, objects });
}

/** Chinese in a font that is not embedded, beside Latin text that is drawn. @param pages which are to have it, from 1 */
export function unembeddedPdf(pageCount = 1, pages: readonly number[] = [1]): Buffer {
  const objects = [
    '<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [5 0 R] >>',
    '<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /FontDescriptor 6 0 R ' +
      '/CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>',
    '<< /Type /FontDescriptor /FontName /STSong-Light /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 ' +
      '/Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>',
  ];
  const entries = '/Resources << /Font << /F 3 0 R /G 4 0 R >> >>';
  const latin = 'BT /F 24 Tf 72 700 Td (Invoice) Tj ET';
  const chinese = 'BT /G 24 Tf 72 600 Td <4E2D6587> Tj ET';
  return writePdf(
    Array.from({ length: pageCount }, (_, index) => ({
      ...LETTER,
      content: pages.includes(index + 1) ? `${latin} ${chinese}` : latin,
      entries,
    })),
    { objects },
  );
}

/** A comment on the page, in letters that no built-in font has. */
export function commentPdf(text: string): Buffer {
  const contents = Buffer.from(`\ufeff${text}`, 'utf16le').swap16().toString('hex');
  const comment = `<< /Type /Annot /Subtype /FreeText /Rect [100 600 500 700] /F 4 /DA (/Helv 24 Tf 0 g) /Contents <${contents}> >>`;
  return writePdf([{ ...LETTER, content: 'BT /F 24 Tf 72 500 Td (Text) Tj ET', entries: '/Annots [4 0 R]' }], {
    objects: [comment],
  });
}

/** An image that cannot be decoded, as all of a page, or beside text. */
export function brokenImagePdf(text = ''): Buffer {
  const entries = `${imageEntries(600, 800, '/DeviceRGB')} /Filter /DCTDecode`;
  const data = Buffer.from('no JPEG at all');
  const image = Buffer.from(`<< /Length ${data.length} ${entries} >>\nstream\n${data.toString()}\nendstream`);
  return writePdf([imagePage(LETTER, `BT /F 24 Tf 72 700 Td (${text}) Tj ET`)], { objects: [image] });
}

/** A page that a white image covers, of `side` x `side` pixels; its data ends early where it would be long. */
export function statedImagePdf(side: number, bits: 1 | 8): Buffer {
  const data = Buffer.alloc(Math.min((side * side * bits) / 8, 8 * 1024 ** 2), 255);
  const space = bits === 1 ? '/DeviceGray' : '/DeviceRGB';
  const entries = imageEntries(side, side, space).replace('/BitsPerComponent 8', `/BitsPerComponent ${bits}`);
  return writePdf([imagePage(LETTER)], { objects: [stream(entries, data)] });
}

/** White on white. */
export function whitePdf(text: string): Buffer {
  return writePdf([{ ...LETTER, content: `1 g BT /F 24 Tf 72 700 Td (${text}) Tj ET` }]);
}

function imageEntries(width: number, height: number, space: string): string {
  return `/Type /XObject /Subtype /Image /Width ${width} /Height ${height} /ColorSpace ${space} /BitsPerComponent 8`;
}

/** A page that object 4, an image, covers. */
function imagePage({ width, height }: { width: number; height: number }, more = ''): SamplePage {
  return {
    width,
    height,
    content: `q ${width} 0 0 ${height} 0 0 cm /I Do Q ${more}`,
    resources: '/XObject << /I 4 0 R >>',
  };
}
