import type { PreparedPrompt, Segment } from '@madakv/models';
import { expect, it } from 'vitest';
import type { PromptImage } from '../vision.encoder.js';
import { keptBeginning } from './kept.beginning.js';

/** A prompt of `tokens` tokens whose question begins at `question`, with an image up to `image`. */
function prompt(tokens: number, question: number, image = 0): PreparedPrompt<PromptImage> {
  const segments: Segment[] =
    image === 0
      ? [{ start: 0, end: tokens, modality: 'text' }]
      : [
          { start: 0, end: image, modality: 'visual' },
          { start: image, end: tokens, modality: 'text' },
        ];
  return {
    text: '',
    inputIds: new Int32Array(tokens),
    textBytesPerToken: 1,
    images: [],
    segments,
    question: { start: question, end: tokens },
    axes: 1,
    positions: new Int32Array(tokens),
    nextPosition: tokens,
  };
}

it.each([
  ['what stands before the question', prompt(100, 80, 70), undefined, 80, 'document'],
  ['all up to the last image, where the question comes first', prompt(100, 3, 90), undefined, 90, 'document'],
  ['all but the last token, where document and question are one text', prompt(100, 3), undefined, 99, 'prompt'],
  ['all but the last token of a short document', prompt(100, 20, 15), undefined, 99, 'prompt'],
  ['the document of a group, without the words that its questions begin with', prompt(100, 80), 84, 80, 'document'],
  ['what a group has in common where its documents part', prompt(100, 80, 70), 60, 60, 'document'],
] as const)('keeps %s', (_, given, shared, tokens, ends) => {
  expect(keptBeginning(given, shared)).toEqual({ tokens, ends });
});
