import { describe, expect, it } from 'vitest';
import { eventData, lines } from './event.stream.js';

/** The text in pieces of a few bytes, cut anywhere. */
async function* pieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    await Promise.resolve();
  }
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of source) found.push(item);
  return found;
}

describe.each([1, 2, 3, 7, 1000])('in pieces of %i bytes', (size) => {
  it('finds events, skips comments and other fields, joins lines of data, stops at [DONE]', async () => {
    const text = ': hello\n\nevent: x\nid: 1\ndata: {"ä":1}\r\n\r\ndata:a\ndata: b\n\ndata: [DONE]\n\ndata: late\n\n';
    expect(await all(eventData(pieces(text, size)))).toEqual(['{"ä":1}', 'a\nb']);
  });

  it('finds lines, the last also without an end', async () => {
    expect(await all(lines(pieces('ü1\r\n\n2\n3', size)))).toEqual(['ü1', '', '2', '3']);
  });
});

it('an event that was cut off is none', async () => {
  expect(await all(eventData(pieces('data: {"a"', 100)))).toEqual([]);
});
