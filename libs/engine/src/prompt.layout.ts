import type { PromptLayout } from '@madakv/madakv';
import type { ImageLayout, PreparedPrompt } from '@madakv/models';

/** Modalities a prompt may have, in the order policies and traces number them. */
export const MODALITIES = ['text', 'visual'] as const;

/** Describes a prompt to an eviction policy. */
export function promptLayout(prompt: PreparedPrompt<ImageLayout>, heldBack: number): PromptLayout {
  const tokens = prompt.inputIds.length;
  const modalityOf = new Uint8Array(tokens);
  const grids: { start: number; rows: number; cols: number; frames: number }[] = [];
  for (const segment of prompt.segments) {
    modalityOf.fill(MODALITIES.indexOf(segment.modality), segment.start, segment.end);
    if (segment.grid === undefined) continue;
    const { rows, cols, frames } = segment.grid;
    // A class token, where a family keeps one, precedes the cells.
    grids.push({ start: segment.end - rows * cols * frames, rows, cols, frames });
  }
  return {
    tokens,
    heldBack,
    modalities: MODALITIES,
    modalityOf,
    grids,
    textBytesPerToken: prompt.textBytesPerToken,
    question: prompt.question,
  };
}

/** Prompt tokens by modality, in the order of the layout's modalities. */
export function countModalities(layout: PromptLayout): number[] {
  const counts = layout.modalities.map(() => 0);
  for (const modality of layout.modalityOf) counts[modality]++;
  return counts;
}
