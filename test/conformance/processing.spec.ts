import { openModel } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { requestFixtures } from './fixture.reader.js';

/** They are equal on the machine that wrote the fixtures; another may round the last bit differently. */
const PIXEL_TOLERANCE = 1e-6;

describe.each(requestFixtures())('$name', (fixture) => {
  const model = openModel(fixture.checkpoint);
  const prompt = model.prepare(fixture.messages, fixture.images);

  it('writes the same prompt', async () => {
    expect((await prompt).text).toBe(fixture.expected.text);
  });

  it('has the same input ids', async () => {
    expect(Array.from((await prompt).inputIds)).toEqual(Array.from(fixture.int('input_ids')));
  });

  it('has the same positions, and goes on behind the largest', async () => {
    const { positions, axes, nextPosition } = await prompt;
    const [rows, tokens] = fixture.shape('positions');
    expect([axes, positions.length / axes]).toEqual([rows, tokens]);
    expect(Array.from(positions)).toEqual(Array.from(fixture.int('positions')));
    expect(nextPosition).toBe(Math.max(...positions) + 1);
  });

  it('cuts images into the same grids', async () => {
    const grids = (await prompt).images.map(({ patchGrid: grid }) => [grid.frames, grid.rows, grid.cols]);
    if (fixture.expected.image_grids) expect(grids).toEqual(fixture.expected.image_grids);
    else expect(grids).toHaveLength(fixture.images.length);
  });

  if (fixture.has('pixel_values')) {
    it('has the same pixel values', async () => {
      const expected = fixture.float('pixel_values');
      const actual = Float32Array.from((await prompt).images.flatMap(({ pixels }) => Array.from(pixels)));
      expect(actual).toHaveLength(expected.length);
      const apart = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
      expect(apart).toBeLessThanOrEqual(PIXEL_TOLERANCE);
    });
  }

  it('segments the prompt without a gap, every visual token in one', async () => {
    const { segments, inputIds } = await prompt;
    expect(segments[0].start).toBe(0);
    expect(segments.at(-1)?.end).toBe(inputIds.length);
    segments.slice(1).forEach((segment, i) => {
      expect(segment.start).toBe(segments[i].end);
    });
    for (const { start, end, modality } of segments) {
      for (let token = start; token < end; token++) {
        expect(inputIds[token] === model.config.tokens.image).toBe(modality === 'visual');
      }
    }
  });

  it('finds the question', async () => {
    const { question, inputIds } = await prompt;
    const content = fixture.messages.findLast(({ role }) => role === 'user')?.content ?? '';
    const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
    const last = parts.findLast((part) => part.type === 'text');
    expect(question.end).toBe(inputIds.length);
    const text = model.tokenizer.decode(inputIds.subarray(question.start, question.end)).trimStart();
    expect(last?.type === 'text' && text.startsWith(last.text)).toBe(true);
  });

  it('decodes the same answer, whole and token by token', () => {
    const { tokens, text } = fixture.expected.greedy;
    const detokenizer = model.tokenizer.detokenizer();
    const pieces = tokens.map((token) => detokenizer.push(token));
    expect(model.tokenizer.decode(tokens)).toBe(text);
    expect(pieces.join('') + detokenizer.flush()).toBe(text);
  });
});
