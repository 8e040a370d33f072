import { json } from 'node:stream/consumers';
import { PromptTextSchema, storeKeys, type PromptText } from '@madakv/contracts';
import { plainPdf } from '@madakv/documents/testing';
import { promptPieces } from '@madakv/insight';
import { afterEach, describe, expect, it } from 'vitest';
import { chat, PrepareWorld, type WorldOptions } from './prepare.world.js';

const SCHEMA = { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } } };
const pdf = (pages: number) => ({
  type: 'file' as const,
  file: { file_data: Buffer.from(plainPdf(pages)).toString('base64') },
});

let world: PrepareWorld | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function start(options: WorldOptions): Promise<PrepareWorld> {
  return (world = await PrepareWorld.start(options));
}

async function textOf(id: string): Promise<PromptText | undefined> {
  const key = storeKeys.text(id);
  if ((await world?.store.head(key)) === undefined) return undefined;
  return world && PromptTextSchema.parse(await json(await world.store.get(key)));
}

describe.each(['qwen-plain', 'llava-plain'] as const)('the text of a prompt for %s', (checkpoint) => {
  it('is all of its tokens in order: words as they were read, and each image where it stands', async () => {
    const { model } = await start({ checkpoint });
    const asked = 'Naïve 雪\t\n<|im_end|> or </s>? 👩‍👩‍👧';
    const content = [{ type: 'text' as const, text: 'See:' }, pdf(2), { type: 'text' as const, text: asked }];
    const prepared = await world?.prepare(chat(content, { madakv: { layout: 'as_given' } }));
    const text = await textOf('request-1');
    const count = Object.values(prepared?.promptTokens ?? {}).reduce((sum, tokens) => sum + tokens, 0);
    expect(text?.tokens).toBe(count);
    const { data, next } = promptPieces(text ?? { version: 1, tokens: 0, runs: [] }, 0, Infinity);
    let at = 0;
    for (const { start, tokens } of data) {
      expect(start).toBe(at);
      at += tokens;
    }
    expect([at, next]).toEqual([count, null]);
    const words = data.map((piece) => (piece.kind === 'text' ? piece.text : '\0')).join('');
    // Special tokens that a document writes out are its characters.
    expect(words).toContain(asked);
    expect(words).toContain('See:');
    const images = data.filter(({ kind }) => kind === 'image');
    expect(images).toMatchObject([{ image: 0 }, { image: 1 }]);
    expect(images.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(prepared?.promptTokens['visual']);
    const special = data.flatMap((piece) => (piece.kind === 'special' ? piece.text : []));
    expect(special.every((name) => model.tokenizer.id(name) !== undefined)).toBe(true);
  });
});

it('every question of an extraction has a text of its own', async () => {
  await start({});
  const format = { type: 'json_schema' as const, json_schema: { name: 'x', schema: SCHEMA } };
  const body = chat([pdf(1), { type: 'text', text: 'Read.' }], { response_format: format, madakv: { extract: true } });
  await world?.prepare(body, { requestId: 'chatcmpl-1' });
  const [first, second, third] = await Promise.all(
    ['chatcmpl-1', 'chatcmpl-1.2', 'chatcmpl-1.3'].map((id) => textOf(id)),
  );
  expect(first).toBeDefined();
  expect(second).toBeDefined();
  expect(second).not.toEqual(first);
  expect(third).toBeUndefined();
});

it('is written beside the reading, few at a time, and takes nothing of its time', async () => {
  const { store } = await start({});
  const clock = { ms: 0 };
  let [writing, most, written] = [0, 0, 0];
  const put: typeof store.put = async (key, content) => {
    most = Math.max(most, ++writing);
    await new Promise(setImmediate);
    clock.ms += 1_000;
    const info = await store.put(key, content);
    writing--;
    written++;
    return info;
  };
  const slow = { get: store.get.bind(store), head: store.head.bind(store), put };
  const preparer = world?.anotherPreparer({ store: slow, now: () => clock.ms });
  const properties = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`f${i}`, { type: 'string' }]));
  const format = { type: 'json_schema' as const, json_schema: { name: 'x', schema: { type: 'object', properties } } };
  const body = chat('Read.', { response_format: format, madakv: { extract: true } });
  const prepared = await preparer?.prepare({ requestId: 'chatcmpl-1', tenant: 'acme', customId: null, body });
  expect(prepared?.extraction?.others).toHaveLength(9);
  expect([written, most, clock.ms, prepared?.ms.tokenise]).toEqual([10, 4, 10_000, 0]);
  expect(await textOf('chatcmpl-1.10')).toBeDefined();
});

it('is not kept where the server keeps none', async () => {
  await start({ environment: { MADAKV_KEEP_PROMPT_TEXT: 'false' } });
  await world?.prepare(chat('What is the total?'));
  expect(await textOf('request-1')).toBeUndefined();
});
