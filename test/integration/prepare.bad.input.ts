import type { ChatRequest } from '@madakv/contracts';
import * as samples from '@madakv/documents/testing';
import sharp from 'sharp';
import { chat, dataUrl, fixtureImage, TENANT, type PrepareWorld } from './prepare.world.js';

/*
 * Requests that cannot be answered, and what their callers are told: the table of docs/bad-input.md. A `…` in a message
 * stands for what differs from run to run. Long because it is that table, one entry a row.
 */

export interface BadInput {
  readonly input: string;
  /** The text of a body, or the body. */
  readonly body: (world: PrepareWorld) => unknown;
  readonly status: number;
  /** As callers see it in the error's body. */
  readonly code: string;
  readonly param: string | null;
  readonly message: string;
}

export interface BadInputs {
  readonly title: string;
  /** The model that is asked, if it matters. */
  readonly checkpoint?: 'qwen3-plain';
  readonly rows: readonly BadInput[];
}

/** Small ones, so that little breaks them. */
export const LIMITS: Readonly<Record<string, string>> = {
  MADAKV_MAX_TEXT_BYTES: String(64 * 1024),
  MADAKV_MAX_DOCUMENTS: '2',
  MADAKV_MAX_IMAGES: '2',
  MADAKV_MAX_PAGES: '10',
  MADAKV_MAX_REQUEST_BYTES: String(1536 * 1024),
  MADAKV_MAX_DOCUMENT_BYTES: String(1024 ** 2),
  MADAKV_MAX_IMAGE_BYTES: String(256 * 1024),
  MADAKV_MAX_IMAGE_PIXELS: '2100000',
};

const FILE = 'messages.0.content.0.file';
const IMAGE = 'messages.0.content.0.image_url';
const CUT = 0.6;

const file = (source: object): object => ({ type: 'file', file: source });
const image = (url: string): object => ({ type: 'image_url', image_url: { url } });
const ask = (...parts: object[]): object => ({ model: 'reader', messages: [{ role: 'user', content: parts }] });
const base64 = (bytes: Uint8Array, filename: string) =>
  file({ file_data: Buffer.from(bytes).toString('base64'), filename });
const pdf = (bytes: Uint8Array) => file({ file_data: dataUrl(bytes, 'application/pdf') });
const halfOf = (name: string): Buffer => {
  const bytes = fixtureImage(name);
  return bytes.subarray(0, bytes.length * CUT);
};
const padded = (bytes: number): Buffer => Buffer.concat([samples.plainPdf(), Buffer.alloc(bytes, ' ')]);
const blank = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: 'white' } })
    .png()
    .toBuffer();

/** A row about a document: 400, with the part as `param`. */
function refused(
  input: string,
  code: string,
  part: object | ((world: PrepareWorld) => unknown),
  why: string,
  filename?: string,
): BadInput {
  const place = filename === undefined ? FILE : `${FILE} (${filename})`;
  const body = async (world: PrepareWorld): Promise<object> =>
    ask((await (typeof part === 'function' ? part(world) : part)) as object);
  return { input, body, status: 400, code, param: FILE, message: `${place}: ${why}` };
}

const TEXT_ALONE =
  'the model (qwen3) reads text alone: it takes no images and no pages; send the text itself, or choose a model with vision';
const ACCEPTED = 'application/pdf, image/png, image/jpeg, image/webp, image/gif, image/tiff';
const ACCEPTED_IMAGES = 'image/png, image/jpeg, image/webp, image/gif, image/tiff';

/** A row about a file of a kind that is not read: the message names it, says what it is and what to do. */
function unread(input: string, filename: string, bytes: Uint8Array, what: string): BadInput {
  const why = `the content is ${what}; accepted are ${ACCEPTED}`;
  return refused(input, 'unsupported_media_type', base64(bytes, filename), why, filename);
}

function refusedImage(input: string, code: string, url: string | (() => Promise<string>), why: string): BadInput {
  const body = async (): Promise<object> => ask(image(typeof url === 'string' ? url : await url()));
  return { input, body, status: 400, code, param: IMAGE, message: `${IMAGE}: ${why}` };
}

function refusedRequest(input: string, code: string, body: unknown, param: string | null, message: string): BadInput {
  return { input, body: () => body, status: 400, code, param, message };
}

function refusedUrl(input: string, code: string, url: (world: PrepareWorld) => string, why: string): BadInput {
  return refused(input, code, (world: PrepareWorld) => file({ file_url: url(world) }), why);
}

const hi: ChatRequest = chat('Hi');

function withSchema(schema: unknown, strict = false): object {
  return { ...hi, response_format: { type: 'json_schema', json_schema: { name: 'invoice', schema, strict } } };
}

export const BAD_INPUTS: readonly BadInputs[] = [
  {
    title: 'The request itself',
    rows: [
      refusedRequest(
        'a body, or a line of a batch, that is not JSON',
        'invalid_json',
        '{"model": "reader", "messages": [}',
        null,
        'not JSON: line 1, column 34: unexpected "}"',
      ),
      refusedRequest('JSON that is no object', 'invalid_request', '[]', null, 'expected object, received array'),
      refusedRequest(
        'a value of a wrong type',
        'invalid_request',
        { ...hi, max_tokens: 'many' },
        'max_tokens',
        'max_tokens: expected number, received string',
      ),
      refusedRequest(
        'several mistakes: `param` is the first, the message has all',
        'invalid_request',
        { model: 'reader', messages: [{ role: 'user', content: 5 }], temperature: true },
        'messages.0.content',
        'messages.0.content: expected string or array; temperature: expected number, received boolean',
      ),
      refusedRequest(
        'a key that asks for what is not done here',
        'unsupported_parameter',
        { ...hi, tools: [{ type: 'function' }] },
        'tools',
        'tools: not supported; leave it out, or send null or an empty one',
      ),
      refusedRequest(
        'a schema with a keyword that cannot be honoured',
        'unsupported_schema',
        withSchema({ type: 'object', properties: { total: { oneOf: [{ type: 'number' }] } } }),
        'response_format.json_schema.schema.properties.total.oneOf',
        'response_format.json_schema.schema.properties.total.oneOf: is not supported',
      ),
      refusedRequest(
        'a schema that says `strict` and does not keep to its rules',
        'unsupported_schema',
        withSchema({ type: 'object', properties: { total: { type: 'number' } }, additionalProperties: false }, true),
        'response_format.json_schema.schema.required',
        'response_format.json_schema.schema.required: expected every property, as strict asks for; an optional one may be null',
      ),
      refusedRequest(
        'a schema whose value has no end',
        'unsupported_schema',
        withSchema({ type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }),
        'response_format.json_schema.schema',
        'response_format.json_schema.schema: no value of it comes to an end: it holds itself in any case',
      ),
      refusedRequest(
        'a key that does not exist',
        'invalid_request',
        { ...hi, max_token: 5 },
        'max_token',
        'Unrecognized key: "max_token"; known are …',
      ),
      refusedRequest(
        'more `stop` strings than are taken',
        'invalid_request',
        { ...hi, stop: ['a', 'b', 'c', 'd', 'e'] },
        'stop',
        'stop: expected at most 4 strings, got 5',
      ),
      refusedRequest(
        'a user’s message without content',
        'invalid_request',
        { model: 'reader', messages: [{ role: 'user', content: null }] },
        'messages.0.content',
        'messages.0.content: expected a text or a document, got nothing',
      ),
      refusedRequest(
        'a part of an unknown type',
        'invalid_request',
        ask({ type: 'video' }),
        'messages.0.content.0.type',
        'messages.0.content.0.type: expected "text" or "image_url" or "file"',
      ),
      refusedRequest(
        'a file part with two sources, or none',
        'invalid_request',
        ask(file({ file_id: 'file-1', file_url: 'https://docs.test/a.pdf' })),
        FILE,
        `${FILE}: expected exactly one of file_data, file_id and file_url`,
      ),
      refusedRequest(
        'an option of `madakv` that does not exist',
        'invalid_request',
        { ...hi, madakv: { cache_ration: 0.2 } },
        'madakv.cache_ration',
        'madakv: Unrecognized key: "cache_ration"',
      ),
      refusedRequest(
        'an eviction policy that does not exist',
        'invalid_request',
        { ...hi, madakv: { policy: 'forget' } },
        'madakv.policy',
        'madakv.policy: …forget…',
      ),
      refusedRequest(
        'a cache ratio that leaves less than the policy needs',
        'cache_ratio_too_small',
        { ...hi, madakv: { cache_ratio: 0.0001 } },
        'madakv.cache_ratio',
        'cache ratio 0.0001 is too small: it keeps …',
      ),
      refusedRequest(
        'prompt and answer longer than the model’s positions',
        'context_length_exceeded',
        chat('word '.repeat(4_000)),
        'messages',
        'too many tokens: the prompt of … tokens ends at position …',
      ),
      refusedRequest(
        'more text than a request may have',
        'invalid_request',
        ask({ type: 'text', text: 'é'.repeat(48 * 1024) }),
        'messages',
        'messages: the request has 96 KiB of text; the limit is 64 KiB',
      ),
      refusedRequest(
        'too many files',
        'invalid_request',
        ask(...Array.from({ length: 3 }, () => pdf(samples.plainPdf()))),
        'messages.0.content.2.file',
        'messages.0.content.2.file: the request has 3 files; the limit is 2',
      ),
      refusedRequest(
        'too many images',
        'invalid_request',
        ask(...Array.from({ length: 3 }, () => image(dataUrl(fixtureImage('tiny.png'), 'image/png')))),
        'messages.0.content.2.image_url',
        'messages.0.content.2.image_url: the request has 3 images; the limit is 2',
      ),
      refusedRequest(
        'more documents than a request may hold, in bytes',
        'document_too_large',
        ask(pdf(padded(900_000)), pdf(padded(900_001))),
        'messages.0.content.1.file',
        'messages.0.content.1.file: with this part the request holds 1.7 MiB of documents; the limit is 1.5 MiB',
      ),
      refusedRequest(
        'more pages than a request may hold',
        'too_many_pages',
        ask(pdf(samples.plainPdf(6)), pdf(samples.plainPdf(5))),
        'messages.0.content.1.file',
        'messages.0.content.1.file: with this part the request has 11 pages; the limit is 10; madakv.pages chooses some',
      ),
    ],
  },
  {
    title: 'PDFs',
    rows: [
      refused(
        'a broken PDF',
        'broken_pdf',
        pdf(samples.garbagePdf()),
        "the PDF's structure is broken and cannot be repaired (4 KiB read)",
      ),
      refused(
        'a PDF that is cut off',
        'broken_pdf',
        pdf(samples.truncatedPdf()),
        "the PDF's structure is broken and cannot be repaired (40 bytes read)",
      ),
      refused(
        'a PDF with a page that cannot be read',
        'broken_pdf',
        pdf(samples.brokenPagePdf()),
        'page 2 of the PDF is broken',
      ),
      refused(
        'an encrypted PDF',
        'encrypted_pdf',
        pdf(samples.encryptedPdf()),
        'the PDF is encrypted and needs a password',
      ),
      refused(
        'a PDF encrypted in an unknown way',
        'encrypted_pdf',
        pdf(samples.strangelyEncryptedPdf()),
        'the PDF is encrypted in a way that cannot be read',
      ),
      refused(
        'a form whose pages only Adobe’s programs make',
        'dynamic_xfa',
        base64(samples.xfaPdf(true), 'form.pdf'),
        'the PDF is a dynamic XFA form, whose pages only Adobe’s programs can make; open it there and print it to PDF',
        'form.pdf',
      ),
      refused(
        'a portfolio',
        'pdf_portfolio',
        pdf(samples.attachmentPdf(['a.pdf', 'b.pdf'], true)),
        'the PDF is a portfolio: a cover for the 2 files in it, which are not read; send what is in it by itself',
      ),
      refused(
        'a PDF whose page tree is wrong in its number of pages and names some that are missing',
        'broken_pdf',
        pdf(Buffer.from(samples.brokenPagePdf().toString('latin1').replace('/Count 2', '/Count 7'), 'latin1')),
        'the PDF states 7 pages, but has 1; 1 more are named and missing',
      ),
      refused('a PDF without pages', 'empty_pdf', pdf(samples.emptyPdf()), 'the PDF has no pages'),
      refused(
        'a PDF with too many bytes',
        'document_too_large',
        pdf(padded(2 * 1024 ** 2)),
        'the data holds 2 MiB; the limit is 1 MiB',
      ),
      refused(
        'a stored PDF with too many bytes',
        'document_too_large',
        async (world: PrepareWorld) => file({ file_id: await world.upload(padded(2 * 1024 ** 2)) }),
        'the file has 2 MiB; the limit is 1 MiB',
        'report.pdf',
      ),
      refused(
        'a PDF with too many pages',
        'too_many_pages',
        pdf(samples.plainPdf(11)),
        'with this part the request has 11 pages; the limit is 10; madakv.pages chooses some',
      ),
      refusedRequest(
        'a choice of pages that cannot be read',
        'bad_page_range',
        { ...ask(pdf(samples.plainPdf(2))), madakv: { pages: '2-1' } },
        FILE,
        `${FILE}: the span 2-1 runs backwards`,
      ),
      refusedRequest(
        'a page that the PDF does not have',
        'page_out_of_range',
        { ...ask(pdf(samples.plainPdf(2))), madakv: { pages: '1,7' } },
        FILE,
        `${FILE}: page 7 was asked for; the document has 2 pages`,
      ),
    ],
  },
  {
    title: 'Images and media types',
    rows: [
      refusedImage(
        'a truncated PNG',
        'bad_image',
        dataUrl(halfOf('page.png'), 'image/png'),
        'not an image that can be read: …',
      ),
      refusedImage(
        'a truncated JPEG',
        'bad_image',
        dataUrl(halfOf('photo.jpg'), 'image/jpeg'),
        'not an image that can be read: …',
      ),
      refusedImage(
        'a truncated WebP',
        'bad_image',
        dataUrl(halfOf('photo.webp'), 'image/webp'),
        "the image's header cannot be read: …",
      ),
      refusedImage(
        'an image whose header is broken',
        'bad_image',
        dataUrl(Buffer.from('89504e470d0a1a0a00', 'hex'), 'image/png'),
        "the image's header cannot be read: …",
      ),
      refusedImage(
        'an image with too many bytes',
        'document_too_large',
        dataUrl(Buffer.alloc(300 * 1024), 'image/png'),
        'the data holds 300 KiB; the limit is 256 KiB',
      ),
      refused(
        'a stored image with too many bytes',
        'image_too_large',
        async (world: PrepareWorld) =>
          file({
            file_id: await world.upload(
              Buffer.concat([fixtureImage('tiny.png'), Buffer.alloc(300 * 1024)]),
              TENANT,
              'user_data',
              'photo.png',
            ),
          }),
        'the file has …; the limit is 256 KiB',
        'photo.png',
      ),
      refusedImage(
        'an image with too many pixels',
        'image_too_large',
        async () => dataUrl(await blank(2000, 1100), 'image/png'),
        'the image is 2,000 x 1,100 pixels, 2,200,000 in all; the limit is 2,100,000',
      ),
      refusedImage(
        'an image of a shape that the model cannot take',
        'bad_image',
        async () => dataUrl(await blank(6000, 20), 'image/png'),
        '6000 x 20: one side is more than 200 times the other',
      ),
      refusedImage(
        'a PDF as an image',
        'unsupported_media_type',
        dataUrl(samples.plainPdf(), 'application/pdf'),
        `the type application/pdf is not accepted; accepted are ${ACCEPTED_IMAGES}; a PDF belongs in a part of type file`,
      ),
      refused(
        'a text as a file',
        'unsupported_media_type',
        file({ file_data: dataUrl(Buffer.from('Dear all'), 'text/plain') }),
        `the content is plain text; put it into a text part of the message; accepted are ${ACCEPTED}`,
      ),
      unread(
        'a Word document',
        'report.docx',
        samples.officeFile('word/document.xml'),
        'a Word document; convert it to PDF',
      ),
      unread(
        'an Excel workbook',
        'prices.xlsx',
        samples.officeFile('xl/workbook.xml'),
        'an Excel workbook; convert it to PDF',
      ),
      unread(
        'a PowerPoint presentation',
        'talk.pptx',
        samples.officeFile('ppt/presentation.xml'),
        'a PowerPoint presentation; convert it to PDF',
      ),
      unread(
        'a Word document of the old format, whatever its name says',
        'report.pdf',
        samples.compoundFile('WordDocument'),
        'a Word document (.doc); convert it to PDF',
      ),
      {
        ...unread(
          'a stored Word document',
          'report.docx',
          samples.officeFile('word/document.xml'),
          'a Word document; convert it to PDF',
        ),
        body: async (world) => {
          const bytes = Buffer.concat([samples.zipOf('x'.repeat(2_000)), samples.officeFile('word/document.xml')]);
          return ask(file({ file_id: await world.upload(bytes, TENANT, 'user_data', 'report.docx') }));
        },
      },
      unread(
        'an EPUB book',
        'book.epub',
        samples.zipOf('mimetypeapplication/epub+zip'),
        'an EPUB book; convert it to PDF',
      ),
      unread('an archive', 'all.zip', samples.zipOf('a.pdf'), 'a ZIP archive; send the files in it by themselves'),
      unread(
        'a HEIC image, as telephones make',
        'IMG_1.HEIC',
        samples.mediaFile('heic'),
        'a HEIC image; convert it to PNG or JPEG',
      ),
      unread('an AVIF image', 'photo.avif', samples.mediaFile('avif'), 'an AVIF image; convert it to PNG or JPEG'),
      unread('a BMP image', 'scan.bmp', Buffer.from('BM6\0\0\0', 'latin1'), 'a BMP image; convert it to PNG or JPEG'),
      unread(
        'an HTML page with the name of a PDF',
        'invoice.pdf',
        Buffer.from('<!DOCTYPE html><p>Log in'),
        'an HTML page; print it to PDF',
      ),
      unread(
        'what macOS notes about a file',
        '._invoice.pdf',
        Buffer.from('\0\x05\x16\x07\0\x02\0\0Mac OS X', 'latin1'),
        'macOS\'s notes about a file (AppleDouble); send the file itself, whose name does not begin with "._"',
      ),
      refused(
        'a TIFF with too many pages',
        'too_many_pages',
        file({
          file_data: samples.tiff(Array.from({ length: 11 }, () => ({ width: 30, height: 40 }))).toString('base64'),
        }),
        'with this part the request has 11 pages; the limit is 10; madakv.pages chooses some',
      ),
      refused(
        'a TIFF with too many pixels',
        'image_too_large',
        file({
          file_data: samples
            .tiff([
              { width: 30, height: 40 },
              { width: 204, height: 1_000, resolution: { x: 100, y: 300 } },
              { width: 20_001, height: 2 },
            ])
            .toString('base64'),
        }),
        'page 3 of the image is 20,001 x 2 pixels; the limit is 20,000 a side',
      ),
      refused(
        'a TIFF that is cut off',
        'bad_image',
        file({
          file_data: samples
            .tiff([{ width: 30, height: 40 }])
            .subarray(0, 900)
            .toString('base64'),
        }),
        "the image's header cannot be read: …",
      ),
      refused(
        'content of no known type',
        'unsupported_media_type',
        file({ file_data: Buffer.from([1, 2, 3]).toString('base64') }),
        `the content is not recognised; accepted are ${ACCEPTED}`,
      ),
      refused(
        'a declared type that is not the content’s',
        'media_type_mismatch',
        file({ file_data: dataUrl(samples.plainPdf(), 'image/png') }),
        'declared as image/png, but the content is application/pdf',
      ),
      refused('an empty file', 'unsupported_media_type', file({ file_data: '' }), 'the content is empty'),
      refused(
        'a stored file that is empty',
        'unsupported_media_type',
        async (world: PrepareWorld) => file({ file_id: await world.upload(Buffer.alloc(0)) }),
        'the content is empty',
        'report.pdf',
      ),
      refused(
        'a file that is not base64',
        'bad_data_url',
        file({ file_data: 'not base64!' }),
        'not data that can be read: its content is not base64',
      ),
      refused(
        'a data URL that is cut off',
        'bad_data_url',
        file({ file_data: 'data:application/pdf;base64,JVBER' }),
        'not data that can be read: its base64 content is cut off',
      ),
    ],
  },
  {
    title: 'Stored files',
    rows: [
      {
        input: 'a file that does not exist',
        body: () => ask(file({ file_id: 'file-0' })),
        status: 404,
        code: 'not_found',
        param: `${FILE}.file_id`,
        message: `${FILE}.file_id: there is no file file-0`,
      },
      {
        input: 'a file of another tenant',
        body: async (world) => ask(file({ file_id: await world.upload(samples.plainPdf(), 'someone-else') })),
        status: 404,
        code: 'not_found',
        param: `${FILE}.file_id`,
        message: `${FILE}.file_id: there is no file file-…`,
      },
      {
        input: 'a file whose content has been deleted',
        body: async (world) => {
          const id = await world.upload(samples.plainPdf());
          await world.store.delete(world.records.get(id)?.key ?? '');
          return ask(file({ file_id: id }));
        },
        status: 404,
        code: 'not_found',
        param: `${FILE}.file_id`,
        message: `${FILE}.file_id: there is no file file-…`,
      },
      {
        input: 'a file of another purpose',
        body: async (world) => ask(file({ file_id: await world.upload(samples.plainPdf(), TENANT, 'batch') })),
        status: 400,
        code: 'invalid_request',
        param: `${FILE}.file_id`,
        message: `${FILE}.file_id: the file file-… has the purpose batch; a document needs user_data`,
      },
    ],
  },
  {
    title: 'URLs',
    rows: [
      refusedUrl('text that is no URL', 'bad_url', () => 'invoice.pdf', 'the URL cannot be read as a URL'),
      refusedUrl(
        'another scheme',
        'url_scheme_not_allowed',
        () => 'http://docs.test/a.pdf',
        'the URL has the scheme http:; allowed: https:',
      ),
      refusedUrl(
        'a file of the machine',
        'url_scheme_not_allowed',
        () => 'file:///etc/passwd',
        'the URL has the scheme file:; allowed: https:',
      ),
      refusedUrl(
        'another port',
        'url_port_not_allowed',
        () => 'https://docs.test:22/a.pdf',
        'the URL has the port 22; allowed: 443, …',
      ),
      refusedUrl(
        'a user name or password',
        'bad_url',
        () => 'https://me:secret@docs.test/a.pdf',
        'the URL carries a user name or password; remove it',
      ),
      ...[
        ['a private address', 'https://10.0.0.7/a.pdf', '10.0.0.7'],
        ['a loopback address', 'https://127.0.0.1/a.pdf', '127.0.0.1'],
        ['the same as a number', 'https://2130706433/a.pdf', '127.0.0.1'],
        ['a loopback address of IPv6', 'https://[::1]/a.pdf', '[::1]'],
        ['a cloud’s metadata service', 'https://169.254.169.254/latest', '169.254.169.254'],
        ['a name of the machine itself', 'https://localhost/a.pdf', 'localhost'],
        ['a name with a private address', 'https://inner.test/a.pdf', 'inner.test'],
      ].map(([input, url, host]) =>
        refusedUrl(input, 'url_address_not_allowed', () => url, `the host ${host} is not on the public internet`),
      ),
      refusedUrl(
        'a redirect to a private address',
        'url_address_not_allowed',
        ({ origin }) => `${origin}/moved-inside`,
        'the host 10.0.0.7 is not on the public internet',
      ),
      refusedUrl(
        'a redirect to another scheme',
        'url_scheme_not_allowed',
        ({ origin }) => `${origin}/moved-to-http`,
        'the redirect from docs.test:… has the scheme http:; allowed: https:',
      ),
      refusedUrl(
        'redirects without end',
        'url_too_many_redirects',
        ({ origin }) => `${origin}/moved-round`,
        'more than 3 redirects',
      ),
      refusedUrl(
        'a host that does not exist',
        'url_not_resolved',
        () => 'https://missing.test/a.pdf',
        'the host missing.test was not found (ENOTFOUND)',
      ),
      refusedUrl(
        'a page that does not exist',
        'url_status',
        ({ origin }) => `${origin}/missing.pdf`,
        'docs.test:… answered with status 404',
      ),
      {
        input: 'a server that is busy, after all attempts',
        body: ({ origin }) => ask(file({ file_url: `${origin}/busy` })),
        status: 503,
        code: 'url_status',
        param: FILE,
        message: `${FILE}: docs.test:… answered with status 503`,
      },
      refusedUrl(
        'a page of the web',
        'unsupported_media_type',
        ({ origin }) => `${origin}/page.html`,
        `the type text/html is not accepted (an HTML page; print it to PDF); accepted are ${ACCEPTED}`,
      ),
      refusedUrl(
        'a server that declares another type',
        'media_type_mismatch',
        ({ origin }) => `${origin}/pdf-as-png`,
        'declared as image/png, but the content is application/pdf',
      ),
      refusedUrl(
        'more content than a document may have',
        'url_too_large',
        ({ origin }) => `${origin}/large`,
        'the content goes on beyond the limit of 1 MiB',
      ),
    ],
  },
  {
    title: 'A model that reads text alone',
    checkpoint: 'qwen3-plain',
    rows: [
      refused('a document', 'text_only_model', pdf(samples.plainPdf()), TEXT_ALONE),
      refusedUrl(
        'a document by URL, which is not fetched',
        'text_only_model',
        ({ origin }) => `${origin}/busy`,
        TEXT_ALONE,
      ),
      refusedImage('an image', 'text_only_model', dataUrl(fixtureImage('tiny.png'), 'image/png'), TEXT_ALONE),
    ],
  },
];
