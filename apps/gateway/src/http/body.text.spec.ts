import { describe, expect, it } from 'vitest';
import { decodeBody } from './body.text.js';

const JSON_TYPE = 'application/json';

describe('decodeBody', () => {
  it.each([
    ['UTF-8', Buffer.from('"ü€"'), JSON_TYPE],
    ['UTF-8 with a byte order mark', Buffer.from('\ufeff"ü€"'), undefined],
    ['UTF-16', Buffer.from('"ü€"', 'utf16le'), `${JSON_TYPE}; charset=utf-16`],
    ['UTF-16, higher bytes first', Buffer.from('"ü€"', 'utf16le').swap16(), `${JSON_TYPE}; charset=utf-16be`],
  ])('reads %s', (_what, bytes, type) => {
    expect(decodeBody(bytes, type)).toBe('"ü€"');
    expect(decodeBody(Buffer.from([0x22, 0xfc, 0x22]), `${JSON_TYPE}; Charset="ISO-8859-1"; x=y`)).toBe('"ü"');
  });

  it('takes UTF-8 where ASCII is said, and no other bytes', () => {
    const said = `${JSON_TYPE}; charset=us-ascii`;
    expect(decodeBody(Buffer.from('"Müller"'), said)).toBe('"Müller"');
    expect(() => decodeBody(Buffer.from('"Müller"', 'latin1'), said)).toThrow('the bytes of the body are not us-ascii');
  });

  it('refuses bytes that are no text, and charsets that it does not know', () => {
    const latin = Buffer.from([0x22, 0xfc, 0x22]);
    expect(() => decodeBody(latin, JSON_TYPE)).toThrow(
      expect.objectContaining({ code: 'invalid_json', message: 'not JSON: the bytes of the body are not utf-8' }),
    );
    expect(() => decodeBody(latin, `${JSON_TYPE}; charset=ebcdic`)).toThrow(
      expect.objectContaining({
        code: 'unsupported_media_type',
        message: expect.stringContaining('"ebcdic"') as string,
      }),
    );
  });
});
