import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { ContentFacts } from './content.facts.js';

async function pass(pieces: string[]): Promise<{ facts: ContentFacts; heads: string[]; content: string }> {
  const facts = new ContentFacts();
  const heads: string[] = [];
  const source = Readable.from(pieces.map((piece) => Buffer.from(piece)));
  const passed = facts.pass(source as AsyncIterable<Uint8Array>, (head) => heads.push(Buffer.from(head).toString()));
  return { facts, heads, content: (await buffer(Readable.from(passed))).toString() };
}

it.each([
  [[], 0],
  [['\n'], 1],
  [['a'], 1],
  [['a\nb', '\n', '\nc'], 4],
  [['a\r\nb\r\n'], 2],
])('counts the lines of %j', async (pieces, lines) => {
  const { facts, content } = await pass(pieces);
  expect(facts.lines).toBe(lines);
  expect(content).toBe(pieces.join(''));
});

it('tells the head once, as soon as it is there, whatever the pieces', async () => {
  const text = 'x'.repeat(1_023) + 'yz';
  expect((await pass([text])).heads).toEqual([text.slice(0, 1_024)]);
  expect((await pass(Array.from(text))).heads).toEqual([text.slice(0, 1_024)]);
  expect((await pass(['short'])).heads).toEqual(['short']);
  expect((await pass([])).heads).toEqual(['']);
});

it('stops when the head is refused', async () => {
  const facts = new ContentFacts();
  let taken = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (; taken < 100; taken++) yield await Promise.resolve(Buffer.alloc(600));
  }
  const passed = facts.pass(source(), () => {
    throw new Error('refused');
  });
  await expect(buffer(Readable.from(passed))).rejects.toThrow('refused');
  expect(taken).toBeLessThan(3);
});
