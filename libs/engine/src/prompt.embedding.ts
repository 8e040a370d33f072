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
 * @param encode features `[image.tokens, hidden]` of the image at that place among the prompt's visual segments; called for those
 *   that lie in the part
 * @returns `[end - start, hidden]`
 * @throws RangeError when placeholders and features do not match
 */
export async function embedPrompt(
  prompt: PreparedPrompt<PromptImage>,
  { start, end }: TokenSpan,
  inputs: DecoderInputs,
  encode: (place: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  const { hiddenSize } = inputs.embeddings;
  const result = inputs.embeddings.rows(prompt.inputIds.subarray(start, end));
  let next = 0;
  for (const segment of prompt.segments) {
    if (segment.modality !== 'visual') continue;
    const place = next++;
    const [from, to] = [Math.max(start, segment.start), Math.min(end, segment.end)];
    if (from >= to) continue;
    const features = await encode(place);
    const rows = segment.end - segment.start;
    if (features.length !== rows * hiddenSize) {
      throw new RangeError(`image ${next} has ${features.length / hiddenSize} features for ${rows} placeholders`);
    }
    const own = features.subarray((from - segment.start) * hiddenSize, (to - segment.start) * hiddenSize);
    result.set(own, (from - start) * hiddenSize);
  }
  return result;
}

/** The images at a prompt's visual segments, in the order of the segments. */
export function imagesInOrder({ segments, images }: PreparedPrompt<PromptImage>): PromptImage[] {
  return segments.filter(({ modality }) => modality === 'visual').map(({ image }, place) => images[image ?? place]);
}
