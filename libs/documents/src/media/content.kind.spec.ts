import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { compoundFile, mediaFile, officeFile, zipOf } from '../testing/index.js';
import { contentKind, declaredKind } from './content.kind.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('contentKind', () => {
  it.each<[string, Buffer, string]>([
    ['Word', officeFile('word/document.xml'), 'a Word document'],
    ['Excel', officeFile('xl/workbook.xml'), 'an Excel workbook'],
    ['PowerPoint', officeFile('ppt/presentation.xml'), 'a PowerPoint presentation'],
    ['EPUB', zipOf('mimetypeapplication/epub+zip'), 'an EPUB book'],
    ['OpenDocument', zipOf('mimetypeapplication/vnd.oasis.opendocument.text'), 'an OpenDocument text'],
    ['the beginning of an Office document', officeFile('docProps/app.xml'), 'an Office document'],
    ['another ZIP file', zipOf('a.pdf', 'b.pdf'), 'a ZIP archive'],
    [
      'Word whose name comes after much else',
      Buffer.concat([zipOf('media/picture.png'), Buffer.alloc(600_000, 1), zipOf('word/document.xml')]),
      'a Word document',
    ],
    ['an old Word document', compoundFile('WordDocument'), 'a Word document (.doc)'],
    ['an old workbook', compoundFile('Workbook'), 'an Excel workbook (.xls)'],
    ['an old presentation', compoundFile('PowerPoint Document'), 'a PowerPoint presentation (.ppt)'],
    ['a message', compoundFile('__properties_version1.0'), 'an Outlook message (.msg)'],
    ['an encrypted document', compoundFile('EncryptedPackage'), 'an encrypted Office document'],
    ['another compound file', compoundFile('Whatever'), 'an Office document of the old format'],
    ['HEIC', mediaFile('heic'), 'a HEIC image'],
    ['AVIF', mediaFile('avif'), 'an AVIF image'],
    ['a film', Buffer.concat([bytes('\0\0\0\x18ftypisom'), Buffer.alloc(40)]), 'a video or sound'],
    ['BMP', bytes('BM\x36\0\0\0'), 'a BMP image'],
    ['RTF', bytes('{\\rtf1 Dear'), 'an RTF document'],
    ['PostScript', bytes('%!PS-Adobe-3.0'), 'a PostScript file'],
    ['gzip', bytes('\x1f\x8b\x08'), 'a compressed archive'],
    ['AppleDouble', bytes('\0\x05\x16\x07\0\x02\0\0Mac OS X'), "macOS's notes about a file (AppleDouble)"],
    ['HTML', Buffer.from('\ufeff<!DOCTYPE html>\n<p>'), 'an HTML page'],
    ['HTML after a remark', Buffer.from('<!-- saved -->\n<html lang="en">'), 'an HTML page'],
    ['HTML after many', Buffer.from(`${'<!----> '.repeat(100)}<!-- > --><head>`), 'an HTML page'],
    ['text after many remarks', Buffer.from('<!---->'.repeat(140)), 'plain text'],
    ['a remark that never ends', Buffer.from('<!-- <body>'), 'plain text'],
    ['SVG', Buffer.from('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'), 'an SVG drawing'],
    ['XML', Buffer.from('<?xml version="1.0"?><Invoice/>'), 'an XML file'],
    ['mail', Buffer.from('From: a@b.example\r\nSubject: Invoice\r\n\r\nHello'), 'an e-mail message'],
    ['text', Buffer.from('Grüße, 你好\n'), 'plain text'],
    ['text in UTF-16', Buffer.from('\ufeffname;total', 'utf16le'), 'plain text'],
  ])('knows %s', (_, content, what) => {
    expect(contentKind(content)?.what).toBe(what);
  });

  it('knows text that is cut inside a character', () => {
    expect(contentKind(Buffer.from('ü'.repeat(4000)))?.what).toBe('plain text');
    expect(contentKind(Buffer.from(`a${'ü'.repeat(4000)}`))?.what).toBe('plain text');
  });

  it('knows nothing about other bytes', async () => {
    for (const content of [Buffer.alloc(0), Buffer.alloc(100), Buffer.from([0x80, 0x81, 0x82]), bytes('a\0b')]) {
      expect(contentKind(content)).toBeUndefined();
    }
    const avif = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'white' } })
      .avif()
      .toBuffer();
    expect(contentKind(avif)?.what).toBe('an AVIF image');
  });

  it('looks at its own bytes only', () => {
    const whole = Buffer.concat([Buffer.from('xx'), officeFile('word/document.xml')]);
    expect(contentKind(whole.subarray(2))?.what).toBe('a Word document');
    expect(contentKind(whole.subarray(2, 20))?.what).toBe('a ZIP archive');
  });
});

it('knows what media types stand for', () => {
  expect(declaredKind('text/html')?.what).toBe('an HTML page');
  expect(declaredKind('constructor')).toBeUndefined();
});
