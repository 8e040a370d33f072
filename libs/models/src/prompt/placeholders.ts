import type { ImageLayout, Segment } from '../family.js';
import { PromptError } from './prompt.error.js';

export interface ExpandedIds {
  /** `[tokens]`, each placeholder repeated once for every visual token of its image. */
  inputIds: Int32Array;
  segments: Segment[];
}

/**
 * Repeats the placeholders.
 * @param ids one placeholder for each image
 * @param placeholder absent for a model that takes no images
 * @throws PromptError `placeholder_count` when there are more or fewer placeholders than images
 */
export function expandPlaceholders(
  ids: readonly number[],
  placeholder: number | undefined,
  images: readonly ImageLayout[],
): ExpandedIds {
  const found = ids.filter((id) => id === placeholder).length;
  if (found !== images.length) {
    throw new PromptError(
      'placeholder_count',
      `the prompt has ${found} image placeholders for ${images.length} images; a text must not contain one`,
    );
  }
  const extra = images.reduce((sum, image) => sum + image.tokens - 1, 0);
  const inputIds = new Int32Array(ids.length + extra);
  const segments: Segment[] = [];
  let at = 0;
  let textStart = 0;
  let next = 0;
  const endText = (): void => {
    if (at > textStart) segments.push({ start: textStart, end: at, modality: 'text' });
  };
  for (const id of ids) {
    if (id !== placeholder) {
      inputIds[at++] = id;
      continue;
    }
    endText();
    const image = next++;
    const { tokens, grid } = images[image];
    inputIds.fill(id, at, at + tokens);
    segments.push({ start: at, end: at + tokens, modality: 'visual', image, grid });
    at += tokens;
    textStart = at;
  }
  endText();
  return { inputIds, segments };
}
