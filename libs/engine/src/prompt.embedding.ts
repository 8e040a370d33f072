import type { PreparedPrompt } from '@madakv/models';
import type { DecoderInputs } from './decoder/decoder.inputs.js';
import type { PromptImage } from './vision.encoder.js';

/**
 * The decoder's input for a prompt: text tokens from the embedding matrix, placeholders replaced by visual features.
 * @param encode features `[image.tokens, hidden]` of an image
 * @returns `[tokens, hidden]`
 * @throws RangeError when placeholders and features do not match
 */
export async function embedPrompt(
  prompt: PreparedPrompt<PromptImage>,
  inputs: DecoderInputs,
  encode: (image: PromptImage) => Promise<Float32Array>,
): Promise<Float32Array> {
  const { hiddenSize } = inputs.embeddings;
  const result = inputs.embeddings.rows(prompt.inputIds);
  let next = 0;
  for (const segment of prompt.segments) {
    if (segment.modality !== 'visual') continue;
    const image = prompt.images[segment.image ?? next];
    next++;
    const features = await encode(image);
    const rows = segment.end - segment.start;
    if (features.length !== rows * hiddenSize) {
      throw new RangeError(`image ${next} has ${features.length / hiddenSize} features for ${rows} placeholders`);
    }
    result.set(features, segment.start * hiddenSize);
  }
  return result;
}
