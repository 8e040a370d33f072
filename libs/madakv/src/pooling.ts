import { picturedModalities } from './layout.js';
import type { PromptLayout } from './policy.js';
import { type Line, SlidingWindow, type Window, type WindowReduction } from './window.js';

/**
 * How the importance of a token spreads to its neighbours. An answer is copied cell by cell, but the question looks at
 * its first cells only: pooling is what keeps the rest of the line.
 */
export type Pooling =
  | { readonly kind: 'none' }
  /** One dimension, along the prompt, whatever the tokens are (SnapKV). */
  | { readonly kind: 'tokens'; readonly reduction: WindowReduction; readonly window: Window }
  /**
   * Page-aware: in every image's grid a window of `rows` x `cols` cells; text runs between images pool by `text`, in bytes of text: what
   * belongs together is as long in every vocabulary, a token is not.
   */
  | {
      readonly kind: 'grid';
      readonly reduction: WindowReduction;
      readonly rows: Window;
      readonly cols: Window;
      readonly text: Window;
    };

/** Pools one head's scores: `[tokens]` in, `[tokens]` out; positions that are no candidates come out as 0. */
export type Pooler = (scores: Float32Array, out: Float32Array) => void;

/**
 * Prepares pooling for a prompt. Windows never reach across images, nor from an image into text; in a grid they never
 * reach across the page's edge into the next line. Both directions of a grid window are pooled one after the other.
 *
 * @param candidates positions below this take part; a held-back token neither gives nor takes.
 */
export function createPooler(pooling: Pooling, prompt: PromptLayout, candidates: number): Pooler {
  const passes = passesOf(pooling, prompt).filter(({ window }) => window.before + window.after > 0);
  const reduction = pooling.kind === 'none' ? 'max' : pooling.reduction;
  let longest = 0;
  for (const { lines } of passes) for (const { length } of lines) longest = Math.max(longest, length);
  const sliding = new SlidingWindow(longest);
  return (scores, out) => {
    out.set(scores);
    out.fill(0, candidates);
    for (const { lines, window } of passes) sliding.apply(out, lines, window, reduction);
    out.fill(0, candidates);
  };
}

/** One direction of pooling: a window slid along lines. */
interface Pass {
  readonly lines: readonly Line[];
  readonly window: Window;
}

function passesOf(pooling: Pooling, prompt: PromptLayout): Pass[] {
  switch (pooling.kind) {
    case 'none':
      return [];
    case 'tokens':
      return [{ lines: [{ start: 0, length: prompt.tokens, stride: 1 }], window: pooling.window }];
    case 'grid':
      return [
        { lines: gridRows(prompt), window: pooling.cols },
        { lines: gridColumns(prompt), window: pooling.rows },
        { lines: textRuns(prompt), window: inTokens(pooling.text, prompt) },
      ];
  }
}

/** A window over bytes of text as one over the prompt's tokens. */
function inTokens({ before, after }: Window, { textBytesPerToken: bytes = 1 }: PromptLayout): Window {
  return { before: Math.round(before / bytes), after: Math.round(after / bytes) };
}

function gridRows({ grids }: PromptLayout): Line[] {
  return grids.flatMap(({ start, rows, cols, frames = 1 }) =>
    Array.from({ length: rows * frames }, (_, row) => ({ start: start + row * cols, length: cols, stride: 1 })),
  );
}

function gridColumns({ grids }: PromptLayout): Line[] {
  return grids.flatMap(({ start, rows, cols, frames = 1 }) =>
    Array.from({ length: cols * frames }, (_, i) => {
      const frame = Math.floor(i / cols);
      return { start: start + frame * rows * cols + (i % cols), length: rows, stride: cols };
    }),
  );
}

/** The stretches of the prompt without images. What an image has beside its grid, such as a view of the whole, is no text. */
function textRuns(prompt: PromptLayout): Line[] {
  const { tokens, modalityOf } = prompt;
  const pictured = picturedModalities(prompt);
  const runs: Line[] = [];
  for (let from = 0; from < tokens;) {
    let end = from;
    while (end < tokens && !pictured.has(modalityOf[end])) end++;
    if (end > from) runs.push({ start: from, length: end - from, stride: 1 });
    from = end + 1;
  }
  return runs;
}
