import { join } from 'node:path';
import { buildModel, checkpointInput } from '@madakv/engine';
import { openModel, visionGraphOf } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { describe, expect, it } from 'vitest';
import { relativeError, temporaryCache } from './engine.fixture.js';
import { requestFixtures } from './fixture.reader.js';

/** Of the largest value. Both sides compute in float32, in different order. */
const TOLERANCE = 1e-4;
const cacheDir = temporaryCache();
const provider = cpuProvider(1);
const seeing = requestFixtures().filter((fixture) => fixture.has('image_embeddings'));

describe.each(seeing)('the vision tower on $name', (fixture) => {
  it('has the features of the reference, image by image', async () => {
    const model = openModel(fixture.checkpoint);
    const { images } = await model.prepare(fixture.messages, fixture.images);
    const { dir } = await buildModel(checkpointInput(model), provider, { precision: { kind: 'fp32' }, cacheDir });
    const session = await provider.createSession({ path: join(dir, 'vision.onnx') }, { asWritten: true });
    const { hiddenSize, visualLayers = 0 } = model.config.decoder;
    const parts: number[][] = Array.from({ length: 1 + visualLayers }, () => []);
    for (const image of images) {
      const { features } = await session.run(visionGraphOf(model.config.family).feeds(model.config, image));
      const part = image.tokens * hiddenSize;
      expect(features.data).toHaveLength(parts.length * part);
      parts.forEach((all, i) => {
        all.push(...(features.data as Float32Array).subarray(i * part, (i + 1) * part));
      });
    }
    await session.release();
    const expected = fixture.float('image_embeddings');
    const actual = Float32Array.from(parts.flat());
    expect(actual).toHaveLength(expected.length);
    expect(relativeError(actual, expected)).toBeLessThan(TOLERANCE);
  });
});
