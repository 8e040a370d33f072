import type { PreparedPrompt } from '@madakv/models';
import type { DecoderInputs } from './decoder/decoder.inputs.js';
import type { PromptImage } from './vision.encoder.js';

/** Tokens `[start, end)` of a prompt. */
export interface TokenSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * The decoder's input for a part of a prompt: text tokens from the embedding matrix, placeholders replaced by visual features.
 * @param features `[image.tokens, hidden]` of the images that lie in the part, by their place among the prompt's visual segments
 * @returns `[end - start, hidden]`
 * @throws RangeError when placeholders and features do not match
 */
export function embedPrompt(
  prompt: PreparedPrompt<PromptImage>,
  { start, end }: TokenSpan,
  inputs: DecoderInputs,
  features: ReadonlyMap<number, Float32Array>,
): Float32Array {
  const { hiddenSize } = inputs.embeddings;
  const result = inputs.embeddings.rows(prompt.inputIds.subarray(start, end));
  for (const { place, segment, from, to } of imagesIn(prompt, { start, end })) {
    const rows = segment.end - segment.start;
    const length = features.get(place)?.length ?? 0;
    if (length !== rows * hiddenSize) {
      throw new RangeError(`image ${place + 1} has ${length / hiddenSize} features for ${rows} placeholders`);
    }
    const own = features.get(place)?.subarray((from - segment.start) * hiddenSize, (to - segment.start) * hiddenSize);
    if (own !== undefined) result.set(own, (from - start) * hiddenSize);
  }
  return result;
}

/** Places of the images whose tokens lie in a part of a prompt, all of them or some. */
export function placesIn(prompt: PreparedPrompt<PromptImage>, span: TokenSpan): number[] {
  return imagesIn(prompt, span).map(({ place }) => place);
}

function imagesIn({ segments }: PreparedPrompt<PromptImage>, { start, end }: TokenSpan) {
  return segments
    .filter(({ modality }) => modality === 'visual')
    .map((segment, place) => ({
      place,
      segment,
      from: Math.max(start, segment.start),
      to: Math.min(end, segment.end),
    }))
    .filter(({ from, to }) => from < to);
}

/** The images at a prompt's visual segments, in the order of the segments. */
export function imagesInOrder({ segments, images }: PreparedPrompt<PromptImage>): PromptImage[] {
  return segments.filter(({ modality }) => modality === 'visual').map(({ image }, place) => images[image ?? place]);
}
