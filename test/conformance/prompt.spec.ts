import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { decodeImage, openModel, type ChatMessage } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { checkpointNames, FIXTURES, requestFixtures } from './fixture.reader.js';

describe.each(requestFixtures())('prompt of $name', ({ checkpoint, messages, images }) => {
  it('is laid out by the images’ sizes as it is by their pixels', async () => {
    const model = openModel(checkpoint);
    const decoded = await Promise.all(images.map((bytes) => decodeImage(bytes)));
    const { images: layouts, ...prompt } = model.layout(messages, decoded);
    const { images: prepared, ...expected } = await model.prepare(messages, images);
    expect(prompt).toEqual(expected);
    expect(layouts).toEqual(prepared.map(({ patchGrid, grid, tokens }) => ({ patchGrid, grid, tokens })));
  });

  it('does not depend on how special tokens in texts are read where there are none', () => {
    const sizes = images.map(() => ({ width: 56, height: 56 }));
    const plain = openModel(checkpoint, { specialTokensInText: 'text' });
    expect(plain.layout(messages, sizes)).toEqual(openModel(checkpoint).layout(messages, sizes));
  });
});

describe.each(checkpointNames())('special tokens in texts for %s', (name) => {
  const folder = join(FIXTURES, name, 'checkpoint');
  const plain = openModel(folder, { specialTokensInText: 'text' });
  const { tokenizer } = plain;
  const { added_tokens: added } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as {
    added_tokens: { id: number; content: string }[];
  };
  const addedIds = new Set(added.map(({ id }) => id));
  const controls = (messages: ChatMessage[]): number[] =>
    Array.from(plain.layout(messages, []).inputIds).filter((id) => addedIds.has(id));
  const ask = (...texts: string[]): ChatMessage[] => [
    { role: 'user', content: texts.map((text) => ({ type: 'text', text })) },
  ];

  it('are nothing but their characters', () => {
    const text = added.map(({ content }) => content).join(' ');
    expect(controls(ask(text))).toEqual(controls(ask('x')));
    const ids = tokenizer.encode(tokenizer.shield(text), { addSpecial: false });
    expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(text);
    expect(plain.layout(ask(text), []).text).toContain(text);
  });

  const blind = plain.config.tokens.image === undefined ? ' (skipped: it sees none)' : '';
  it.skipIf(blind !== '')(`are nothing but that between two images${blind}`, () => {
    const image = { type: 'image_url' as const, image_url: { url: '' } };
    const sizes = [
      { width: 56, height: 56 },
      { width: 56, height: 56 },
    ];
    const between = (text: string): number[] => {
      const content = [image, { type: 'text' as const, text }, image, { type: 'text' as const, text: 'what?' }];
      return Array.from(plain.layout([{ role: 'user', content }], sizes).inputIds).filter((id) => addedIds.has(id));
    };
    for (const { content } of added) expect(between(content)).toEqual(between('x'));
  });

  it('cannot be made of pieces, in one text or across several', () => {
    const pieces = added.flatMap(({ content }) => [content, content.slice(0, 3), content.slice(3), content.slice(1)]);
    const text = fc.array(fc.constantFrom(...pieces, ' ', 'x', '\uFDD0'), { minLength: 1, maxLength: 6 });
    const expected = controls(ask('x', 'x'));
    fc.assert(
      fc.property(text, text, (first, second) => {
        expect(controls(ask(first.join(''), second.join('')))).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it('mean what they mean to the reference, unless told otherwise', () => {
    const [{ content, id }] = added.filter((token) => token.id === plain.config.tokens.eos[0]);
    const prompt = openModel(folder).layout(ask(`a${content}b`), []);
    expect(Array.from(prompt.inputIds).filter((each) => each === id).length).toBe(
      controls(ask('ab')).filter((each) => each === id).length + 1,
    );
  });
});
