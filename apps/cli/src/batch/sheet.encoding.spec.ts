import iconv from 'iconv-lite';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../exit.codes.js';
import { decodeSheet } from './sheet.encoding.js';

const TEXT = 'file,question\na.pdf,Kostet es 5 € – „netto“?\n';

describe('decodeSheet', () => {
  it.each([
    ['UTF-8', iconv.encode(TEXT, 'utf8')],
    ['UTF-8', iconv.encode(TEXT, 'utf8', { addBOM: true })],
    ['UTF-16LE', iconv.encode(TEXT, 'utf-16le', { addBOM: true })],
    ['UTF-16BE', iconv.encode(TEXT, 'utf-16be', { addBOM: true })],
    ['UTF-16LE', iconv.encode(TEXT, 'utf-16le')],
    ['UTF-16BE', iconv.encode(TEXT, 'utf-16be')],
    ['UTF-32LE', iconv.encode(TEXT, 'utf-32le', { addBOM: true })],
    ['Windows-1252', iconv.encode(TEXT, 'windows-1252')],
  ])('finds out %s', (encoding, content) => {
    expect(decodeSheet(content, 'q.csv')).toEqual({ text: TEXT, encoding });
  });

  it('reads what it is told to', () => {
    const content = iconv.encode('файл,вопрос\n', 'windows-1251');
    expect(decodeSheet(content, 'q.csv', 'windows-1251').text).toBe('файл,вопрос\n');
  });

  it('leaves a replacement character that was written as one', () => {
    expect(decodeSheet(Buffer.from('a,\ufffd\n'), 'q.csv').text).toBe('a,\ufffd\n');
  });

  it.each([
    [Buffer.from([0x61, 0x0a, 0x81, 0x0a]), undefined, 'q.csv: line 2 has bytes that are not Windows-1252'],
    [Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xff]), undefined, 'q.csv: line 1 has bytes that are not UTF-8'],
    [Buffer.from([0x61, 0xff]), 'utf-8', 'q.csv: line 1 has bytes that are not utf-8'],
    [Buffer.from('a,b\n\0\n'), undefined, 'q.csv: NUL characters in it'],
    [Buffer.from('PK\x03\x04 xl/workbook.xml'), undefined, 'q.csv: this is a workbook'],
    [Buffer.from('%PDF-1.7\n'), undefined, 'q.csv: this is a PDF'],
    [Buffer.from('a'), 'klingon', '--encoding klingon: no such encoding is known'],
  ])('refuses %j', (content, encoding, message) => {
    const decode = (): unknown => decodeSheet(content, 'q.csv', encoding);
    expect(decode).toThrow(UsageError);
    expect(decode).toThrow(message);
  });
});
