import { openModel, type PreparedImage } from '@madakv/models';
import { Tensor, type Session } from '@madakv/onnx';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { VisionEncoder, type DeferredImage } from './vision.encoder.js';

const checkpoint = fileURLToPath(new URL('../../../test/conformance/fixtures/qwen-plain/checkpoint', import.meta.url));
const picture = fileURLToPath(new URL('../../../test/conformance/fixtures/images/exact.png', import.meta.url));

async function setUp() {
  const model = openModel(checkpoint);
  const pixels = await model.prepareImage(await readFile(picture));
  const made: string[] = [];
  const session = {
    run: () => Promise.resolve({ features: new Tensor('float32', new Float32Array(4), [1, 4]) }),
  } as unknown as Session;
  const encoder = new VisionEncoder(model.config, session, 1_000);
  /** @param asker whose request the image belongs to */
  const image = (key: string, asker: string, prepare: () => Promise<PreparedImage> = () => Promise.resolve(pixels)) =>
    ({
      ...pixels,
      key,
      prepare: () => {
        made.push(`${key} for ${asker}`);
        return prepare();
      },
    }) as DeferredImage;
  return { encoder, made, image };
}

describe('an image made ahead of its turn', () => {
  it('is made once, for whoever asks for it first', async () => {
    const { encoder, made, image } = await setUp();
    encoder.prefetch(image('a', 'one'));
    encoder.prefetch(image('a', 'two'));
    await encoder.encode(image('a', 'three'));
    await encoder.encode(image('a', 'four'));
    expect(made).toEqual(['a for one']);
  });

  it('is the one after the image that is wanted now, and gives way to a later one', async () => {
    const { encoder, made, image } = await setUp();
    await encoder.encode(image('a', 'one'), image('b', 'one'));
    expect(made).toEqual(['a for one', 'b for one']);
    encoder.prefetch(image('c', 'two'));
    await encoder.encode(image('b', 'one'));
    await encoder.encode(image('c', 'two'));
    expect(made).toEqual(['a for one', 'b for one', 'c for two', 'b for one']);
    encoder.prefetch(image('c', 'three'));
    expect(made).toHaveLength(4);
  });

  it('is made anew where its request was cancelled, and fails who asked for it where it cannot be made', async () => {
    const { encoder, made, image } = await setUp();
    const fails = (): Promise<PreparedImage> => Promise.reject(new Error('gone'));
    encoder.prefetch(image('a', 'one', fails));
    await encoder.encode(image('a', 'two'));
    expect(made).toEqual(['a for one', 'a for two']);
    const bad = image('b', 'three', fails);
    encoder.prefetch(bad);
    await expect(encoder.encode(bad)).rejects.toThrow('gone');
    expect(made).toHaveLength(3);
  });
});
