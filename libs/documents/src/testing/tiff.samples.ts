/*
 * TIFFs for tests, uncompressed, in grey or black and white.
 */

export interface SampleTiffPage {
  readonly width: number;
  readonly height: number;
  /** Pixels to an inch; none where left out. */
  readonly resolution?: { readonly x: number; readonly y: number };
  /** Of a grey value from 0 to 255; a gradient where left out. */
  readonly grey?: number;
  /** As EXIF counts them. */
  readonly orientation?: number;
  /** What it is of another page: 1 a smaller copy, 4 a mask. */
  readonly subfile?: number;
}

const SHORT = 3;
const LONG = 4;
const RATIONAL = 5;

export function tiff(pages: readonly SampleTiffPage[]): Buffer {
  const parts: Buffer[] = [Buffer.from('II*\0', 'latin1'), Buffer.alloc(4)];
  let at = 8;
  const append = (part: Buffer): number => {
    const start = at;
    parts.push(part);
    at += part.length;
    return start;
  };
  let link = parts[1];
  let linkAt = 0;
  for (const page of pages) {
    const strip = append(pixels(page));
    const { x = 0, y = 0 } = page.resolution ?? {};
    const fraction = append(Buffer.from(Uint32Array.from([x, 1, y, 1]).buffer));
    const entries: [tag: number, type: number, value: number][] = [
      ...(page.subfile === undefined ? [] : ([[254, LONG, page.subfile]] satisfies [number, number, number][])),
      [256, LONG, page.width],
      [257, LONG, page.height],
      [258, SHORT, 8],
      [259, SHORT, 1],
      [262, SHORT, 1],
      [273, LONG, strip],
      [274, SHORT, page.orientation ?? 1],
      [277, SHORT, 1],
      [278, LONG, page.height],
      [279, LONG, page.width * page.height],
      ...(page.resolution === undefined
        ? []
        : ([
            [282, RATIONAL, fraction],
            [283, RATIONAL, fraction + 8],
          ] satisfies [number, number, number][])),
    ];
    const directory = Buffer.alloc(2 + 12 * entries.length + 4);
    directory.writeUInt16LE(entries.length, 0);
    entries.forEach(([tag, type, value], index) => {
      const entry = 2 + 12 * index;
      directory.writeUInt16LE(tag, entry);
      directory.writeUInt16LE(type, entry + 2);
      directory.writeUInt32LE(1, entry + 4);
      directory.writeUInt32LE(value, entry + 8);
    });
    link.writeUInt32LE(append(directory), linkAt);
    link = directory;
    linkAt = directory.length - 4;
  }
  return Buffer.concat(parts);
}

/** Padded to an even length, as directories begin at one. */
function pixels({ width, height, grey }: SampleTiffPage): Buffer {
  const values = Buffer.alloc(width * height + ((width * height) % 2), grey ?? 0);
  if (grey === undefined) for (let index = 0; index < width * height; index++) values[index] = index % 256;
  return values;
}
