import { describe, expect, it } from 'vitest';
import { parseBase64, parseDataUrl } from './data.url.js';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe('parseDataUrl', () => {
  it.each([
    ['data:image/png;base64,aGVsbG8=', 'image/png', 'hello'],
    ['DATA:Image/PNG;name=a.png;BASE64,aGVsbG8', 'image/png', 'hello'],
    ['data:;base64,', '', ''],
    ['data:application/pdf,%25PDF-1.7', 'application/pdf', '%PDF-1.7'],
    ['data:,a%2Cb,c', '', 'a,b,c'],
    ['data:image/png;base64,aGVs\r\nbG8=\n', 'image/png', 'hello'],
    ['data:image/png;base64,aGVsbG8%3D%0A', 'image/png', 'hello'],
    ['data:image/webp;base64,-_8', 'image/webp', Buffer.from([0xfb, 0xff]).toString()],
  ])('reads %s', (url, mediaType, content) => {
    const parsed = parseDataUrl(url, 100);
    expect(parsed.mediaType).toBe(mediaType);
    expect(text(parsed.bytes)).toBe(content);
  });

  it.each([
    ['https://example.com/a.png', /does not begin with "data:"/],
    ['data:image/png;base64', /no comma/],
    [`data:${'x'.repeat(300)},`, /no comma in its first 256 characters/],
    ['data:image/png;base64,aGVs!bG8=', /not base64/],
    ['data:image/png;base64,aGVs=bG8=', /not base64/],
    ['data:image/png;base64,aGVs%FFbG8=', /not base64/],
    ['data:image/png;base64,aGVsb', /cut off/],
    ['data:image/png;base64,aG=', /cut off/],
    ['data:,100%', /not percent-encoded/],
    ['data:,\u00e9', /not percent-encoded/],
  ])('refuses %s', (url, message) => {
    const parse = () => parseDataUrl(url, 100);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ code: 'bad_data_url' }));
  });

  it('checks the size before decoding, to the byte', () => {
    const url = (bytes: number) => `data:image/png;base64,${Buffer.alloc(bytes).toString('base64')}`;
    for (const bytes of [100, 101, 102]) expect(parseDataUrl(url(bytes), bytes).bytes).toHaveLength(bytes);
    for (const bytes of [100, 101, 102]) {
      const parse = () => parseDataUrl(url(bytes), bytes - 1);
      expect(parse).toThrow(expect.objectContaining({ code: 'document_too_large' }));
      expect(parse).toThrow(`the data holds ${bytes} bytes; the limit is ${bytes - 1} bytes`);
    }
    expect(() => parseDataUrl('data:,%41%42%43', 2)).toThrow(/holds 3 bytes; the limit is 2 bytes/);
  });

  it('reads tens of megabytes in moderate time', () => {
    const bytes = Buffer.alloc(30_000_000, 7);
    expect(parseDataUrl(`data:application/pdf;base64,${bytes.toString('base64')}`, 30_000_000).bytes).toHaveLength(
      bytes.length,
    );
    expect(parseDataUrl(`data:text/plain,${'a%42'.repeat(4_000_000)}`, 30_000_000).bytes).toHaveLength(8_000_000);
  });
});

describe('parseBase64', () => {
  it('reads either alphabet, with the limit on what comes out', () => {
    expect(text(parseBase64('aGVsbG8=', 5))).toBe('hello');
    expect([...parseBase64('-_8', 2)]).toEqual([0xfb, 0xff]);
    expect(() => parseBase64('aGVsbG8=', 4)).toThrow('the data holds 5 bytes; the limit is 4 bytes');
    expect(() => parseBase64('aGVs*bG8=', 9)).toThrow(expect.objectContaining({ code: 'bad_data_url' }));
  });

  it('reads what was broken into lines, as mail does', () => {
    const bytes = Buffer.alloc(1000, 'madakv');
    const lines = (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n');
    expect(Buffer.compare(parseBase64(`\n ${lines}\t\n`, 1000), bytes)).toBe(0);
    expect(() => parseBase64(lines, 999)).toThrow('the data holds 1000 bytes; the limit is 999 bytes');
    expect([...parseBase64(' \n', 9)]).toEqual([]);
  });
});
