import { describe, expect, it } from 'vitest';
import { scanLines, type FileLine, type FilePosition } from './line.scanner.js';

const START: FilePosition = { byte: 0, line: 1 };

async function* inPieces(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < content.length; i += size) yield await Promise.resolve(content.subarray(i, i + size));
}

async function scan(content: string | Buffer, size = 1_000, from = START, limit = 1_000): Promise<FileLine[]> {
  const lines: FileLine[] = [];
  const bytes = Buffer.from(content).subarray(from.byte);
  for await (const line of scanLines(inPieces(bytes, size), from, limit)) lines.push(line);
  return lines;
}

const SAMPLE = Buffer.from('\ufeff{"a":1}\r\n\n  \t\r\n{"ü":"€"}\n{"b":2}\r\nlast');

describe('lines of a file', () => {
  it.each([1, 2, 3, 5, 7, 1_000])('are the same in pieces of %i bytes', async (size) => {
    const lines = await scan(SAMPLE, size);
    expect(lines.map(({ line, content }) => [line, content?.toString()])).toEqual([
      [1, '{"a":1}'],
      [4, '{"ü":"€"}'],
      [5, '{"b":2}'],
      [6, 'last'],
    ]);
    for (const { start, length, content } of lines) expect(SAMPLE.subarray(start, start + length)).toEqual(content);
  });

  it('can be read on from where any of them ended', async () => {
    const all = await scan(SAMPLE);
    for (const [i, { next }] of all.entries()) expect(await scan(SAMPLE, 3, next)).toEqual(all.slice(i + 1));
    expect(all[3].next).toEqual({ byte: SAMPLE.length, line: 7 });
  });

  it('are none where there is nothing, or nothing but blanks', async () => {
    expect(await scan('')).toEqual([]);
    expect(await scan('\n\r\n \t \n')).toEqual([]);
  });

  it('have no content beyond the limit, and are counted all the same', async () => {
    const content = `${'x'.repeat(10)}\r\n${'y'.repeat(11)}\n${'z'.repeat(5_000)}\nok`;
    for (const size of [1, 4, 10_000]) {
      const lines = await scan(content, size, START, 10);
      expect(lines.map((line) => line.content?.toString())).toEqual(['x'.repeat(10), undefined, undefined, 'ok']);
      expect(lines.map((line) => line.length)).toEqual([10, 11, 5_000, 2]);
      expect(lines[2].next).toEqual({ byte: 12 + 12 + 5_001, line: 4 });
    }
  });

  it('keep a byte order mark that is not at the start of the file', async () => {
    const [, second] = await scan('a\n\ufeffb');
    expect(second.content?.toString()).toBe('\ufeffb');
  });
});
