import { PromptLayoutError } from './errors.js';
import type { Grid, PromptLayout } from './policy.js';

/** One stretch of a prompt: text (or anything without a grid), or an image. */
export type PromptPart =
  | { readonly modality: string; readonly tokens: number; readonly question?: boolean }
  | { readonly modality: string; readonly rows: number; readonly cols: number; readonly frames?: number };

/**
 * Lays out a prompt from its parts, in order. The last part marked as the question makes `question`; without one it is
 * the empty stretch at the end.
 *
 * @param modalities names in the order the engine numbers them; names that only parts use are added behind.
 */
export function layoutOf(
  parts: readonly PromptPart[],
  heldBack = 0,
  modalities: readonly string[] = ['text', 'visual'],
): PromptLayout {
  const names = [...modalities];
  const modalityOf: number[] = [];
  const grids: Grid[] = [];
  let question: { start: number; end: number } | undefined;
  for (const part of parts) {
    if (!names.includes(part.modality)) names.push(part.modality);
    const start = modalityOf.length;
    const tokens = 'tokens' in part ? part.tokens : part.rows * part.cols * (part.frames ?? 1);
    for (let i = 0; i < tokens; i++) modalityOf.push(names.indexOf(part.modality));
    if (!('tokens' in part)) grids.push({ start, rows: part.rows, cols: part.cols, frames: part.frames ?? 1 });
    else if (part.question === true) question = { start, end: start + tokens };
  }
  const tokens = modalityOf.length;
  return {
    tokens,
    heldBack,
    modalities: names,
    modalityOf: Uint8Array.from(modalityOf),
    grids,
    question: question ?? { start: tokens, end: tokens },
  };
}

/** @throws {PromptLayoutError} naming the first thing in the layout that contradicts the rest. */
export function checkLayout(prompt: PromptLayout): void {
  const { tokens, heldBack, modalities, modalityOf, grids, question, textBytesPerToken = 1 } = prompt;
  require(Number.isInteger(tokens) && tokens > 0, `tokens must be a whole number above 0, got ${tokens}`);
  require(textBytesPerToken > 0 &&
    Number.isFinite(textBytesPerToken), `textBytesPerToken must be above 0, got ${textBytesPerToken}`);
  require(heldBack === 0 || heldBack === 1, `heldBack must be 0 or 1, got ${heldBack}`);
  require(modalityOf.length === tokens, `modalityOf has ${modalityOf.length} entries for ${tokens} tokens`);
  let highest = 0;
  for (let i = 0; i < modalityOf.length; i++) if (modalityOf[i] > highest) highest = modalityOf[i];
  require(highest < modalities.length, `modalityOf names modality ${highest} of ${modalities.length}`);
  require(isRange(
    question.start,
    question.end,
    tokens,
  ), `question [${question.start}, ${question.end}) does not lie within ${tokens} tokens`);
  let end = 0;
  for (const grid of [...grids].sort((a, b) => a.start - b.start)) {
    const { start, rows, cols, frames = 1 } = grid;
    require([rows, cols, frames].every(
      (size) => Number.isInteger(size) && size > 0,
    ), `the grid at ${start} has ${frames} x ${rows} x ${cols} cells`);
    require(start >= end, `the grid at ${start} overlaps the one before it, which ends at ${end}`);
    end = start + rows * cols * frames;
    require(isRange(start, end, tokens), `the grid [${start}, ${end}) does not lie within ${tokens} tokens`);
  }
}

function isRange(start: number, end: number, tokens: number): boolean {
  return Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= tokens;
}

function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new PromptLayoutError(message);
}

/**
 * Most tokens of a question that count as the question. Without a bound a prompt whose document and question are one text
 * would be all question: its scores alone took thirteen times the prefill. docs/adr/0005-question-window.md has the figures.
 */
export const QUESTION_WINDOW = 32;

/**
 * Positions of the question's last `most` own tokens, ascending: its range without the images in it, which stand there when
 * a user puts a document behind the question. Work is linear in what is returned and in the images behind it.
 */
export function questionPositions(prompt: PromptLayout, most: number): Int32Array {
  const { question, grids, modalityOf } = prompt;
  const pictured = picturedModalities(prompt);
  const images = grids
    .map(({ start, rows, cols, frames = 1 }) => ({ start, end: start + rows * cols * frames }))
    .filter(({ start, end }) => end > question.start && start < question.end)
    .sort((a, b) => b.start - a.start);
  const positions: number[] = [];
  let behind = 0;
  for (let at = question.end - 1; at >= question.start && positions.length < most; at--) {
    while (behind < images.length && images[behind].start > at) behind++;
    if (behind < images.length && at < images[behind].end) at = images[behind].start;
    else if (!pictured.has(modalityOf[at])) positions.push(at);
  }
  return Int32Array.from(positions.reverse());
}

/** Modalities, by number, whose tokens are laid out in grids. */
export function picturedModalities({ grids, modalityOf }: PromptLayout): ReadonlySet<number> {
  return new Set(grids.map(({ start }) => modalityOf[start]));
}
