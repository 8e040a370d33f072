import type { PromptPiece, PromptText } from '@madakv/contracts';

/** A stretch of a prompt's pieces. */
export interface PromptPieces {
  readonly data: readonly PromptPiece[];
  /** Where the next stretch begins; null after the last. */
  readonly next: number | null;
}

/**
 * The pieces of a prompt that begin at a token or behind it.
 * @param from a token of the prompt
 * @param most pieces
 */
export function promptPieces({ runs }: PromptText, from: number, most: number): PromptPieces {
  const data: PromptPiece[] = [];
  for (const piece of piecesOf(runs)) {
    if (piece.start < from) continue;
    if (data.length === most) return { data, next: piece.start };
    data.push(piece);
  }
  return { data, next: null };
}

function* piecesOf(runs: PromptText['runs']): Generator<PromptPiece, void, undefined> {
  for (const run of runs) {
    if (run.kind === 'special') yield { ...run, tokens: 1 };
    else if (run.kind === 'image') yield run;
    else {
      let { start } = run;
      for (const piece of run.pieces) {
        const [text, tokens] = typeof piece === 'string' ? [piece, 1] : piece;
        yield { kind: 'text', start, tokens, text };
        start += tokens;
      }
    }
  }
}
