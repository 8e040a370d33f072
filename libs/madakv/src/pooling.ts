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
  /** Page-aware: in every image's grid a window of `rows` x `cols` cells; text runs between images pool by `text`. */
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
  if (pooling.kind === 'none') {
    return (scores, out) => {
      copyCandidates(scores, out, candidates);
    };
  }
  const passes =
    pooling.kind === 'tokens'
      ? [{ lines: [{ start: 0, length: candidates, stride: 1 }], window: pooling.window }]
      : [
          { lines: gridRows(prompt, candidates), window: pooling.cols },
          { lines: gridColumns(prompt, candidates), window: pooling.rows },
          { lines: textRuns(prompt, candidates), window: pooling.text },
        ];
  const used = passes.filter(({ window }) => window.before + window.after > 0);
  let longest = 0;
  for (const { lines } of used) for (const { length } of lines) longest = Math.max(longest, length);
  const sliding = new SlidingWindow(longest);
  return (scores, out) => {
    copyCandidates(scores, out, candidates);
    for (const { lines, window } of used) sliding.apply(out, lines, window, pooling.reduction);
  };
}

function copyCandidates(scores: Float32Array, out: Float32Array, candidates: number): void {
  out.set(scores);
  out.fill(0, candidates);
}

function gridRows({ grids }: PromptLayout, candidates: number): Line[] {
  return grids.flatMap(({ start, rows, cols, frames = 1 }) =>
    Array.from({ length: rows * frames }, (_, row) =>
      clip({ start: start + row * cols, length: cols, stride: 1 }, candidates),
    ),
  );
}

function gridColumns({ grids }: PromptLayout, candidates: number): Line[] {
  return grids.flatMap(({ start, rows, cols, frames = 1 }) =>
    Array.from({ length: cols * frames }, (_, i) => {
      const frame = Math.floor(i / cols);
      return clip({ start: start + frame * rows * cols + (i % cols), length: rows, stride: cols }, candidates);
    }),
  );
}

/** The stretches of candidates outside every grid. */
function textRuns({ grids }: PromptLayout, candidates: number): Line[] {
  const runs: Line[] = [];
  let from = 0;
  for (const { start, rows, cols, frames = 1 } of [...grids].sort((a, b) => a.start - b.start)) {
    runs.push(clip({ start: from, length: start - from, stride: 1 }, candidates));
    from = start + rows * cols * frames;
  }
  runs.push(clip({ start: from, length: candidates - from, stride: 1 }, candidates));
  return runs;
}

function clip({ start, length, stride }: Line, candidates: number): Line {
  return { start, length: Math.max(0, Math.min(length, Math.ceil((candidates - start) / stride))), stride };
}
