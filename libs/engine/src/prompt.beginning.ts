import type { PreparedPrompt } from '@madakv/models';
import type { PromptImage } from './vision.encoder.js';

/** An image in a prompt: the tokens it takes, and the key of its pixels as the vision tower gets them. */
interface PlacedImage {
  readonly start: number;
  readonly end: number;
  readonly key: string;
}

/** The first tokens of a prompt, and all that decides what a decoder makes of them. */
export interface PromptBeginning {
  readonly axes: 1 | 3;
  readonly inputIds: Int32Array;
  /** `[axes, tokens]` */
  readonly positions: Int32Array;
  /** Those that begin within, in order; the last may reach beyond. */
  readonly images: readonly PlacedImage[];
}

/** A whole prompt, in place. */
export function beginningOf(prompt: PreparedPrompt<PromptImage>): PromptBeginning {
  const { axes, inputIds, positions, segments, images } = prompt;
  const placed = segments
    .filter(({ modality }) => modality === 'visual')
    .map(({ start, end, image }, order) => ({ start, end, key: images[image ?? order].key }));
  return { axes, inputIds, positions, images: placed };
}

/** A copy of the first `tokens` tokens. */
export function firstTokens({ axes, inputIds, positions, images }: PromptBeginning, tokens: number): PromptBeginning {
  const first = new Int32Array(axes * tokens);
  for (let axis = 0; axis < axes; axis++) {
    const line = axis * inputIds.length;
    first.set(positions.subarray(line, line + tokens), axis * tokens);
  }
  return {
    axes,
    inputIds: inputIds.slice(0, tokens),
    positions: first,
    images: images.filter(({ start }) => start < tokens),
  };
}

/**
 * How many tokens two prompts begin with in common: the same ids at the same positions, and the same images. Placeholders are
 * alike for all images, so an image is compared by its key, which stands for its pixels as the vision tower gets them.
 */
export function sharedTokens(a: PromptBeginning, b: PromptBeginning): number {
  if (a.axes !== b.axes) return 0;
  const length = Math.min(a.inputIds.length, b.inputIds.length);
  let shared = 0;
  while (shared < length && a.inputIds[shared] === b.inputIds[shared] && samePosition(a, b, shared)) shared++;
  for (let i = 0; ; i++) {
    const [one, other] = [a.images.at(i), b.images.at(i)];
    const start = Math.min(one?.start ?? Infinity, other?.start ?? Infinity);
    if (start >= shared) return shared;
    if (one?.start !== other?.start || one?.end !== other?.end || one?.key !== other?.key) return start;
  }
}

/** Whether two prompts are one and the same. */
export function samePrompt(a: PromptBeginning, b: PromptBeginning): boolean {
  return a.inputIds.length === b.inputIds.length && sharedTokens(a, b) === a.inputIds.length;
}

function samePosition(a: PromptBeginning, b: PromptBeginning, token: number): boolean {
  for (let axis = 0; axis < a.axes; axis++) {
    const one = a.positions[axis * a.inputIds.length + token];
    if (one !== b.positions[axis * b.inputIds.length + token]) return false;
  }
  return true;
}
