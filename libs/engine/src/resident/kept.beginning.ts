import type { PreparedPrompt } from '@madakv/models';
import type { PromptImage } from '../vision.encoder.js';

/** How much of a prompt is worth keeping. */
export interface KeptBeginning {
  readonly tokens: number;
  /** Whether it is a document: it ends where the question begins, after the last image, or where other prompts part from it. */
  readonly ends: 'document' | 'prompt';
}

/** A beginning is taken for the document only where it is at least this share of the prompt. */
const LEAST_SHARE = 0.5;

/**
 * The beginning of a prompt that later questions are likely to have too. Where nothing tells the document from the question, in
 * one text for instance, that is all but the last token.
 * @param shared tokens that all prompts of its group begin with; undefined for a prompt by itself
 */
export function keptBeginning(
  { inputIds, question, segments }: PreparedPrompt<PromptImage>,
  shared: number | undefined,
): KeptBeginning {
  const most = shared ?? inputIds.length - 1;
  const images = segments.findLast(({ modality }) => modality === 'visual')?.end ?? 0;
  const document = [question.start, images].find((end) => end >= LEAST_SHARE * inputIds.length && end <= most);
  if (document !== undefined) return { tokens: document, ends: 'document' };
  return { tokens: most, ends: shared === undefined ? 'prompt' : 'document' };
}
