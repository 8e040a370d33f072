import type { PreparedPrompt } from '@madakv/models';
import type { DecoderInputs } from './decoder/decoder.inputs.js';
import type { VisualRows } from './decoder/prefill.group.js';
import type { PromptImage } from './vision.encoder.js';

/** Tokens `[start, end)` of a prompt. */
export interface TokenSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * The decoder's input for a part of a prompt: text tokens from the embedding matrix, placeholders replaced by visual features.
 * @param features `[1 + visualLayers, image.tokens, hidden]` of the images that lie in the part, by their place among the prompt's visual
 *   segments
 * @returns `embeddings` `[end - start, hidden]`, and what is added to its rows behind the first layers
 * @throws RangeError when placeholders and features do not match
 */
export function embedPrompt(
  prompt: PreparedPrompt<PromptImage>,
  { start, end }: TokenSpan,
  inputs: DecoderInputs,
  features: ReadonlyMap<number, Float32Array>,
): { readonly embeddings: Float32Array; readonly visual: readonly VisualRows[] } {
  const { hiddenSize } = inputs.embeddings;
  const parts = 1 + inputs.visualLayers;
  const visual: VisualRows[] = [];
  const result = inputs.embeddings.rows(prompt.inputIds.subarray(start, end));
  for (const { place, segment, from, to } of imagesIn(prompt, { start, end })) {
    const rows = segment.end - segment.start;
    const all = features.get(place) ?? new Float32Array(0);
    if (all.length !== parts * rows * hiddenSize) {
      throw new RangeError(
        `image ${place + 1} has ${all.length / hiddenSize / parts} features for ${rows} placeholders`,
      );
    }
    const [own, ...layers] = Array.from({ length: parts }, (_, part) => {
      const before = part * rows - segment.start;
      return all.subarray((before + from) * hiddenSize, (before + to) * hiddenSize);
    });
    result.set(own, (from - start) * hiddenSize);
    if (layers.length > 0) visual.push({ row: from - start, layers });
  }
  return { embeddings: result, visual };
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
