import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { PreparedRequestSchema, storeKeys, type ModelRecord, type PreparedRequest } from '@madakv/contracts';
import { PdfRasteriser } from '@madakv/documents';
import * as samples from '@madakv/documents/testing';
import { decodeImage } from '@madakv/models';
import { chatMessages } from '@madakv/requests';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KnownDocuments } from '../../apps/worker/src/prepare/index.js';
import { chat, dataUrl, fixtureImage, PrepareWorld } from './prepare.world.js';

const rasterise = vi.spyOn(PdfRasteriser.prototype, 'rasterise');
beforeEach(() => {
  rasterise.mockClear();
});

let world: PrepareWorld;
beforeAll(async () => {
  world = await PrepareWorld.start();
});
afterAll(async () => {
  await world.close();
});

const pdfPart = (pdf: Uint8Array) => ({
  type: 'file' as const,
  file: { file_data: Buffer.from(pdf).toString('base64') },
});
const text = (value: string) => ({ type: 'text' as const, text: value });
/** A document that no other test has. */
let documents = 0;
const freshPdf = (pages: number): Buffer =>
  Buffer.concat([samples.plainPdf(pages), Buffer.from(`\n% ${++documents}\n`)]);

async function stored(world: PrepareWorld, key: string): Promise<Buffer> {
  return buffer(await world.store.get(key));
}

describe.each(['qwen-plain', 'llava-plain'] as const)('a request for %s', (checkpoint) => {
  let world: PrepareWorld;
  beforeAll(async () => {
    world = await PrepareWorld.start({ checkpoint });
  });
  afterAll(async () => {
    await world.close();
  });

  it('becomes pages and images in the order of its parts, counted as the engine will count them', async () => {
    const fileId = await world.upload(samples.plainPdf(3));
    const imageId = await world.upload(fixtureImage('photo.webp'));
    const body = chat(
      [
        text('First:'),
        pdfPart(freshPdf(2)),
        { type: 'image_url', image_url: { url: dataUrl(fixtureImage('rotated.jpg'), 'image/jpeg') } },
        text('then:'),
        { type: 'file', file: { file_id: fileId } },
        { type: 'file', file: { file_url: `${world.origin}/moved` } },
        { type: 'file', file: { file_id: imageId } },
        { type: 'image_url', image_url: { url: `${world.origin}/photo.jpg` } },
        { type: 'file', file: { file_data: dataUrl(fixtureImage('page.png'), 'image/png'), filename: 'page.png' } },
        text('What is the total?'),
      ],
      { temperature: 0.5, madakv: { pages: '2-' } },
    );
    const prepared = await world.prepare(body, { customId: 'line-1', queueMs: 12 });
    expect(PreparedRequestSchema.parse(prepared)).toEqual(prepared);
    expect(prepared).toMatchObject({ requestId: 'request-1', customId: 'line-1', ms: { queue: 12 } });
    const part = (index: number, of: string): string => `messages.0.content.${index}.${of}`;
    expect(prepared.images.map((image) => [image.part, image.page])).toEqual([
      [part(1, 'file'), 2],
      [part(2, 'image_url'), null],
      [part(4, 'file'), 2],
      [part(4, 'file'), 3],
      [part(5, 'file'), 2],
      [part(6, 'file'), null],
      [part(7, 'image_url'), null],
      [part(8, 'file'), null],
    ]);
    expect(prepared.messages).toEqual([
      {
        role: 'user',
        content: [
          text('First:'),
          { type: 'image', index: 0 },
          { type: 'image', index: 1 },
          text('then:'),
          ...[2, 3, 4, 5, 6, 7].map((index) => ({ type: 'image', index })),
          text('What is the total?'),
        ],
      },
    ]);
    await expectAsPrepared(world, prepared);
  });

  it('is read as text where it spells out special tokens', async () => {
    const control = world.model.tokenizer.token(world.model.config.tokens.eos[0]) ?? '';
    const count = async (value: string): Promise<number> => {
      const prepared = await world.prepare(chat(value));
      const [{ content }] = prepared.messages;
      expect(content).toEqual([text(value)]);
      return prepared.promptTokens['text'];
    };
    expect(await count(`a${control}b`)).toBeGreaterThan((await count('ab')) + 1);
  });
});

/** The images in the store have the sizes noted, and the model makes as many tokens of them as were counted. */
async function expectAsPrepared(world: PrepareWorld, prepared: PreparedRequest): Promise<void> {
  const images = await Promise.all(prepared.images.map(({ key }) => stored(world, key)));
  for (const [index, image] of images.entries()) {
    const { autoOrient } = await sharp(image).metadata();
    expect(autoOrient).toEqual({ width: prepared.images[index].width, height: prepared.images[index].height });
  }
  const { messages, images: order } = chatMessages(prepared.messages, images.length);
  const prompt = await world.model.prepare(
    messages,
    order.map((index) => images[index]),
  );
  const counts = { text: 0, visual: 0 };
  for (const { modality, start, end } of prompt.segments) counts[modality] += end - start;
  expect(prepared.promptTokens).toEqual(counts);
  const { layers, kvHeads, headDim } = world.model.config.decoder;
  expect(prepared.fullBytes).toBe(prompt.inputIds.length * 2 * layers * kvHeads * headDim * 4);
}

describe('what is prepared of a request', () => {
  it('is counted in the bytes that those who answer said they keep it in', async () => {
    const bytes = async (kv?: ModelRecord['kv']): Promise<number> => {
      world.announced = kv === undefined ? undefined : { kv };
      const { fullBytes } = await world.prepare(chat('How much?'));
      world.announced = undefined;
      return fullBytes;
    };
    const unknown = await bytes();
    expect(await bytes({ precision: 'fp32', onDevice: true })).toBe(unknown);
    expect(await bytes({ precision: 'fp16', onDevice: true })).toBe(unknown / 2);
    const { headDim } = world.model.config.decoder;
    expect(await bytes({ precision: 'int8', onDevice: false })).toBe((unknown * (headDim + 4)) / (4 * headDim));
  });

  it('keeps every parameter and draws a seed that stays the same', async () => {
    const drawn = await world.prepare(chat('Hi', { temperature: 1, stop: 'x', user: 'me' } as object));
    expect(drawn.parameters).toMatchObject({ model: 'reader', temperature: 1, stop: 'x' });
    expect(drawn.parameters).not.toHaveProperty('messages');
    const seed = drawn.parameters['seed'];
    expect(Number.isInteger(seed)).toBe(true);
    expect((await world.prepare(chat('Hi', { temperature: 1 }))).parameters['seed']).toBe(seed);
    expect((await world.prepare(chat('Hi', { temperature: 1 }), { requestId: 'other' })).parameters['seed']).not.toBe(
      seed,
    );
    expect((await world.prepare(chat('Hi', { temperature: 1, seed: 5 }))).parameters['seed']).toBe(5);
    expect((await world.prepare(chat('Hi'))).parameters).not.toHaveProperty('seed');
  });

  it('knows messages without content, and developers as the system', async () => {
    const { messages } = await world.prepare({
      model: 'reader',
      messages: [
        { role: 'developer', content: 'Be short.' },
        { role: 'user', content: 'Hi' },
        { role: 'assistant', content: null },
        { role: 'user', content: 'Well?' },
      ],
    });
    expect(messages.map(({ role, content }) => [role, content.length])).toEqual([
      ['system', 1],
      ['user', 1],
      ['assistant', 0],
      ['user', 1],
    ]);
  });

  it('reads documents before the text of their message where it all stands before them', async () => {
    const pdf = freshPdf(2);
    const kinds = async (content: Parameters<typeof chat>[0], more = {}) => {
      const { messages, images } = await world.prepare(chat(content, more));
      return [messages[0].content.map((part) => (part.type === 'text' ? part.text : part.index)), images[0].part];
    };
    expect(await kinds([text('Read.'), text('Total?'), pdfPart(pdf)])).toEqual([
      [0, 1, 'Read.', 'Total?'],
      'messages.0.content.2.file',
    ]);
    const asGiven = { madakv: { layout: 'as_given' as const } };
    expect((await kinds([text('Total?'), pdfPart(pdf)], asGiven))[0]).toEqual(['Total?', 0, 1]);
    expect((await kinds([text('A:'), pdfPart(pdf), text('Total?')]))[0]).toEqual(['A:', 0, 1, 'Total?']);
  });

  it('draws pages on the grid of the model, within its pixels', async () => {
    const { images } = await world.prepare(chat([pdfPart(freshPdf(1)), text('?')]));
    const [{ width, height }] = images;
    const { multipleOf, maxPixels = 0 } = world.model.pages;
    expect([width % multipleOf, height % multipleOf, width * height <= maxPixels]).toEqual([0, 0, true]);
    expect(width * height).toBeGreaterThan(maxPixels / 2);
  });
});

describe('a model that reads text alone', () => {
  let world: PrepareWorld;
  beforeAll(async () => {
    world = await PrepareWorld.start({ checkpoint: 'qwen3-plain' });
  });
  afterAll(async () => {
    await world.close();
  });

  it('is given no pages and no images, which are not even fetched', async () => {
    const parts = [
      ['file', pdfPart(samples.plainPdf(2))],
      ['file', { type: 'file' as const, file: { file_url: `${world.origin}/moved` } }],
      ['image_url', { type: 'image_url' as const, image_url: { url: dataUrl(fixtureImage('tiny.png'), 'image/png') } }],
    ] as const;
    for (const [kind, part] of parts) {
      await expect(world.prepare(chat([part, text('Total?')]))).rejects.toMatchObject({
        code: 'invalid_document',
        httpStatus: 400,
        param: `messages.0.content.0.${kind}`,
        reason: 'text_only_model',
        message:
          `messages.0.content.0.${kind}: the model (qwen3) reads text alone: it takes no images and no pages; ` +
          'send the text itself, or choose a model with vision',
      });
    }
    expect(world.asked).toEqual([]);
    expect(rasterise).not.toHaveBeenCalled();
  });

  it('answers about texts', async () => {
    const { images, promptTokens } = await world.prepare(chat([text('The total is 97.'), text('Total?')]));
    expect(images).toEqual([]);
    expect(promptTokens).toMatchObject({ visual: 0 });
  });
});

describe('a document', () => {
  it('is drawn once, for later requests and other processes too', async () => {
    const pdf = freshPdf(3);
    const first = await world.prepare(chat([pdfPart(pdf), text('What?')]));
    expect(rasterise).toHaveBeenCalledTimes(1);
    const second = await world.prepare(chat([pdfPart(pdf), text('Who?')], { madakv: { pages: '2' } }));
    expect(second.images).toEqual([first.images[1]]);
    const fileId = await world.upload(pdf);
    const body = chat([{ type: 'file', file: { file_id: fileId } }, text('When?')]);
    const third = await world.anotherPreparer().prepare({ requestId: 'r', tenant: 'acme', customId: null, body });
    expect(third.images).toEqual(first.images);
    expect(rasterise).toHaveBeenCalledTimes(1);
  });

  it('is drawn once for requests that come together', async () => {
    const pdf = freshPdf(3);
    const all = await Promise.all(
      ['a', 'b', 'c'].map((question) => world.prepare(chat([pdfPart(pdf), text(question)]))),
    );
    expect(rasterise).toHaveBeenCalledTimes(1);
    for (const { images } of all) expect(images).toEqual(all[0].images);
  });

  it('is drawn as far as it is missing', async () => {
    const pdf = freshPdf(4);
    const pages = async (choice?: string) =>
      (await world.prepare(chat([pdfPart(pdf)], choice === undefined ? {} : { madakv: { pages: choice } }))).images;
    const [second] = await pages('2');
    const all = await pages();
    expect(all[1]).toEqual(second);
    expect(rasterise.mock.calls.map(([, options]) => options?.pages)).toEqual(['2', [1, 3, 4]]);
    await rm(join(world.folder, 'files', all[2].key));
    expect(await pages('1-3')).toEqual(all.slice(0, 3));
    expect(rasterise.mock.calls.at(-1)?.[1]?.pages).toEqual([3]);
  });

  it('is taken up by the next request when the one that draws it is cancelled', async () => {
    const pdf = freshPdf(8);
    const stop = new AbortController();
    const put = vi.spyOn(world.store, 'put').mockImplementationOnce(async (...call) => {
      stop.abort(new Error('no longer wanted'));
      return world.store.put(...call);
    });
    const cancelled = world.prepare(chat([pdfPart(pdf)]), { signal: stop.signal });
    const waiting = world.prepare(chat([pdfPart(pdf)]));
    await expect(cancelled).rejects.toThrow('no longer wanted');
    expect((await waiting).images).toHaveLength(8);
    put.mockRestore();
  });

  it('is not touched for a request that was cancelled before', async () => {
    const stop = new AbortController();
    stop.abort(new Error('stopped'));
    await expect(world.prepare(chat([pdfPart(freshPdf(1))]), { signal: stop.signal })).rejects.toThrow('stopped');
    expect(rasterise).not.toHaveBeenCalled();
  });
});

describe('what a document lacks', () => {
  const part = 'messages.0.content.0.file';

  it('is told with the part, the file and the pages, whoever draws it and however often', async () => {
    const pdf = Buffer.concat([samples.unembeddedPdf(4, [2, 4]), Buffer.from(`\n% ${++documents}\n`)]);
    const fileId = await world.upload(pdf, 'acme', 'user_data', '发票.pdf');
    const body = chat([{ type: 'file', file: { file_id: fileId } }, text('?')]);
    const { images, warnings } = await world.prepare(body);
    expect(images).toHaveLength(4);
    expect(warnings).toEqual([
      {
        code: 'text_not_drawn',
        message: `${part} (发票.pdf): pages 2, 4: text is missing from what was read, as the PDF does not embed its font; embed the fonts`,
        param: part,
      },
    ]);
    expect((await world.prepare(body)).warnings).toEqual(warnings);
    const again = { requestId: 'r', tenant: 'acme', customId: null, body };
    expect((await world.anotherPreparer().prepare(again)).warnings).toEqual(warnings);
    expect(rasterise).toHaveBeenCalledTimes(1);
    const some = await world.prepare({ ...body, madakv: { pages: '1,4' } });
    expect(some.warnings.map(({ message }) => /pages? [\d, ]+:/.exec(message)?.[0])).toEqual(['page 4:']);
    expect((await world.prepare({ ...body, madakv: { pages: '1,3' } })).warnings).toEqual([]);
  });

  it('is remembered of the document as a whole', async () => {
    const body = chat([pdfPart(samples.attachmentPdf(['terms.pdf', 'prices.xlsx'])), text('?')]);
    const warning = { code: 'attachments_not_read', message: `${part}: 2 attached files were not read`, param: part };
    for (let time = 0; time < 2; time++) expect((await world.prepare(body)).warnings).toEqual([warning]);
    expect(rasterise).toHaveBeenCalledTimes(1);
  });

  it('is looked for again where an earlier version left a record', async () => {
    const pdf = samples.attachmentPdf(['other.pdf']);
    const key = storeKeys.document(createHash('sha256').update(pdf).digest('hex'));
    await world.store.put(key, Buffer.from(JSON.stringify({ pageCount: 1 })));
    const { warnings } = await world.prepare(chat([pdfPart(pdf), text('?')]));
    expect(warnings.map(({ code }) => code)).toEqual(['attachments_not_read']);
  });

  it('does not matter where it was not asked for', async () => {
    const broken = chat([pdfPart(samples.brokenPagePdf()), text('?')]);
    const one = await world.prepare({ ...broken, madakv: { pages: '1' } });
    expect([one.images.map(({ page }) => page), one.warnings]).toEqual([[1], []]);
    await expect(world.prepare(broken)).rejects.toMatchObject({ reason: 'broken_pdf' });
    await expect(world.prepare({ ...broken, madakv: { pages: '2' } })).rejects.toThrow('page 2 of the PDF is broken');
  });
});

describe('a TIFF', () => {
  const pages = [
    { width: 60, height: 84, grey: 0 },
    { width: 84, height: 60, grey: 100 },
    { width: 70, height: 70, grey: 200 },
  ];
  const tiffPart = (bytes: Buffer) => ({ type: 'file' as const, file: { file_data: bytes.toString('base64') } });

  it('has pages like a PDF', async () => {
    const part = tiffPart(samples.tiff(pages));
    const { images } = await world.prepare(chat([part, text('?')]));
    expect(images.map(({ page, width, height }) => [page, width, height])).toEqual([
      [1, 60, 84],
      [2, 84, 60],
      [3, 70, 70],
    ]);
    for (const [index, { key }] of images.entries()) {
      const png = await stored(world, key);
      expect((await sharp(png).metadata()).format).toBe('png');
      expect((await sharp(png).raw().toBuffer())[0]).toBe(pages[index].grey);
    }
    const chosen = await world.prepare(chat([part, text('?')], { madakv: { pages: '2-' } }));
    expect(chosen.images).toEqual(images.slice(1));
    await expect(world.prepare(chat([part], { madakv: { pages: '4' } }))).rejects.toMatchObject({
      reason: 'page_out_of_range',
    });
  });

  it('of one page is an image', async () => {
    const part = tiffPart(samples.tiff([{ width: 56, height: 28 }]));
    const { images } = await world.prepare(chat([part, text('?')], { madakv: { pages: '2-' } }));
    expect(images.map(({ page, width, height }) => [page, width, height])).toEqual([[null, 56, 28]]);
  });
});

describe('an image', () => {
  it('that is animated is its first picture, and that is told', async () => {
    const frame = { create: { width: 56, height: 56, channels: 3, background: 'white' } } as const;
    const black = await sharp({ ...frame, create: { ...frame.create, background: 'black' } })
      .png()
      .toBuffer();
    const gif = await sharp([await sharp(frame).png().toBuffer(), black], { join: { animated: true } })
      .gif()
      .toBuffer();
    const body = chat([{ type: 'image_url', image_url: { url: dataUrl(gif, 'image/gif') } }, text('?')]);
    const { images, warnings } = await world.prepare(body);
    expect(images).toMatchObject([{ width: 56, height: 56, page: null }]);
    const { data } = await decodeImage(await stored(world, images[0].key));
    expect([data.length, data[0]]).toEqual([56 * 56 * 3, 255]);
    const param = 'messages.0.content.0.image_url';
    const message = `${param}: only the first of the 2 pictures of the animation was read`;
    expect(warnings).toEqual([{ code: 'frames_not_read', message, param }]);
  });

  it('comes as base64 in whichever form', async () => {
    const bytes = fixtureImage('tiny.png');
    const base64 = bytes.toString('base64');
    const lines = (base64.match(/.{1,60}/g) ?? []).join('\r\n');
    for (const data of [
      base64,
      `${base64}\n`,
      lines,
      bytes.toString('base64url'),
      `data:image/png;base64,${lines}\n`,
    ]) {
      // As the schema lets it through: null counts as left out.
      const source = { file_data: data, file_id: null, file_url: null } as unknown as { file_data: string };
      const { images } = await world.prepare(chat([{ type: 'file', file: source }, text('?')]));
      expect(images[0].key).toBe(storeKeys.image(createHash('sha256').update(bytes).digest('hex')));
    }
  });

  it('is kept once, as it came', async () => {
    const bytes = fixtureImage('wide.png');
    const part = { type: 'image_url' as const, image_url: { url: dataUrl(bytes, 'image/png') } };
    const put = vi.spyOn(world.store, 'put');
    const { images } = await world.prepare(chat([part, part, text('?')]));
    expect(images[0].key).toBe(images[1].key);
    expect(put.mock.calls.filter(([key]) => key === images[0].key)).toHaveLength(1);
    expect(Buffer.compare(await stored(world, images[0].key), bytes)).toBe(0);
    expect(images[0].key).toBe(storeKeys.image(createHash('sha256').update(bytes).digest('hex')));
    put.mockRestore();
  });
});

describe('requests that are prepared one after the other', () => {
  const about = (path: string, question: string) =>
    chat([{ type: 'file', file: { file_url: `${world.origin}${path}` } }, text(question)]);

  it('fetch a document once', async () => {
    const known = new KnownDocuments();
    world.asked.length = 0;
    for (const question of ['Total?', 'Date?', 'Who?']) {
      expect((await world.prepare(about('/two-pages.pdf', question), { known })).images).toHaveLength(2);
    }
    expect(world.asked).toEqual(['/two-pages.pdf']);
    await world.prepare(about('/two-pages.pdf', 'Total?'));
    expect(world.asked).toHaveLength(2);
  });

  it('wait for a server that is away once', async () => {
    const known = new KnownDocuments();
    world.asked.length = 0;
    const failed = { code: 'document_unavailable', param: 'messages.0.content.0.file' };
    for (const question of ['Total?', 'Date?']) {
      await expect(world.prepare(about('/busy', question), { known })).rejects.toMatchObject(failed);
    }
    expect(new Set(world.asked)).toEqual(new Set(['/busy']));
    const { length } = world.asked;
    await expect(world.prepare(about('/busy', 'Who?'))).rejects.toMatchObject(failed);
    expect(world.asked).toHaveLength(2 * length);
  });
});
