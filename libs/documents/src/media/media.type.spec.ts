import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkMediaType, sniffMediaType } from './media.type.js';

const PDF = Buffer.from('%PDF-1.7\n');
const blank = sharp({ create: { width: 2, height: 2, channels: 3, background: 'white' } });

describe('sniffMediaType', () => {
  it('recognises real files by their content', async () => {
    expect(sniffMediaType(await blank.png().toBuffer())).toBe('image/png');
    expect(sniffMediaType(await blank.jpeg().toBuffer())).toBe('image/jpeg');
    expect(sniffMediaType(await blank.webp().toBuffer())).toBe('image/webp');
    expect(sniffMediaType(await blank.gif().toBuffer())).toBe('image/gif');
    expect(sniffMediaType(await blank.tiff().toBuffer())).toBe('image/tiff');
    expect(sniffMediaType(Buffer.from('MM\0*\0\0\0\x08', 'latin1'))).toBe('image/tiff');
    expect(sniffMediaType(PDF)).toBe('application/pdf');
    expect(sniffMediaType(Buffer.concat([Buffer.alloc(900, 10), PDF]))).toBe('application/pdf');
  });

  it('knows nothing else', () => {
    expect(sniffMediaType(Buffer.concat([Buffer.alloc(1100, 10), PDF]))).toBeUndefined();
    expect(sniffMediaType(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toBeUndefined();
    expect(sniffMediaType(new Uint8Array(0))).toBeUndefined();
  });

  it('looks at its own bytes only, not at the buffer behind them', () => {
    const whole = Buffer.concat([Buffer.from('xx'), PDF, Buffer.from('yy')]);
    expect(sniffMediaType(whole.subarray(0, 2))).toBeUndefined();
    expect(sniffMediaType(whole.subarray(2, 11))).toBe('application/pdf');
  });
});

describe('checkMediaType', () => {
  it.each([
    undefined,
    'application/pdf',
    'Application/PDF; charset=binary',
    'application/x-pdf',
    'application/octet-stream',
    '',
  ])('accepts a PDF declared as %s', (declared) => {
    expect(checkMediaType(PDF, declared)).toBe('application/pdf');
  });

  it('names both types where they differ', () => {
    const check = () => checkMediaType(PDF, 'image/png');
    expect(check).toThrow('declared as image/png, but the content is application/pdf');
    expect(check).toThrow(expect.objectContaining({ code: 'media_type_mismatch' }));
  });

  it.each([
    [
      PDF,
      'text/html',
      /the type text\/html is not accepted \(an HTML page; print it to PDF\); accepted are application\/pdf/,
    ],
    [PDF, 'image/heic', /image\/heic is not accepted \(a HEIC image; convert it to PNG or JPEG\); accepted are/],
    [Buffer.from([1, 2, 3]), undefined, /^the content is not recognised; accepted are application\/pdf/],
    [Buffer.from([1, 2, 3]), 'image/png', /^it was declared as image\/png, but the content is not recognised/],
    [Buffer.from('hello'), 'text/csv', /^the content is plain text; put it into a text part of the message; accepted/],
    [Buffer.alloc(0), undefined, /^the content is empty$/],
  ])('refuses what it does not read', (bytes, declared, message) => {
    const check = () => checkMediaType(bytes, declared);
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ code: 'unsupported_media_type' }));
  });

  it('refuses a type that is not accepted here', () => {
    expect(() => checkMediaType(PDF, undefined, ['image/png'])).toThrow(
      'the content is application/pdf; accepted here are image/png; a PDF belongs in a part of type file',
    );
  });
});
