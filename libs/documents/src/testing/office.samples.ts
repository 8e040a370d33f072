/*
 * Files that are no documents for this system, as far as it takes to tell what they are.
 */

/** A ZIP file of the entries named, without content: local headers only, which is where names stand first. */
export function zipOf(...names: readonly string[]): Buffer {
  return Buffer.concat(
    names.map((name) => {
      const header = Buffer.alloc(30);
      header.write('PK\x03\x04', 'latin1');
      header.writeUInt16LE(name.length, 26);
      return Buffer.concat([header, Buffer.from(name)]);
    }),
  );
}

/** An Office document: `word/document.xml`, `xl/workbook.xml`, `ppt/presentation.xml`. */
export function officeFile(main: string): Buffer {
  return zipOf('[Content_Types].xml', '_rels/.rels', main);
}

/** A compound file whose directory has the stream named. */
export function compoundFile(stream: string): Buffer {
  const signature = Buffer.from('d0cf11e0a1b11ae1', 'hex');
  return Buffer.concat([
    signature,
    Buffer.alloc(504),
    Buffer.from('Root Entry', 'utf16le'),
    Buffer.from(stream, 'utf16le'),
  ]);
}

/** An ISO media file of the brand given: `heic`, `avif`, `isom`. */
export function mediaFile(brand: string): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from(`ftyp${brand}\0\0\0\0mif1`), Buffer.alloc(40)]);
}
