/** Rows `[start, end)` of a prompt that pass a layer together: of the part that all prompts share, or of one branch behind it. */
export interface Piece {
  /** Index of the branch; undefined for the shared part. */
  readonly branch: number | undefined;
  readonly start: number;
  readonly end: number;
  /** Whether nothing of its branch comes before, or after it. */
  readonly first: boolean;
  readonly last: boolean;
}

/** What one run of a stage takes: pieces whose rows lie behind one another. */
export type Run = readonly Piece[];

/** Lengths of prompts that begin alike, in tokens. */
export interface GroupShape {
  /** Of the shared tokens the first, whose rows are there already. */
  readonly resident: number;
  /** Tokens that all of them begin with. */
  readonly shared: number;
  /** `[branches]`: all tokens of each, more than `shared`. */
  readonly tokens: readonly number[];
}

/**
 * Cuts what is to be computed of prompts into runs of at most `chunkTokens` rows, the shared part first, branch after branch behind it.
 * @param packs whether a run may take pieces of several branches, so that short ones read the weights once together
 */
export function planRuns({ resident, shared, tokens }: GroupShape, chunkTokens: number, packs: boolean): Run[] {
  const runs: Run[] = pieces(undefined, resident, shared, chunkTokens).map((piece) => [piece]);
  let open: Piece[] = [];
  let rows = 0;
  const close = (): void => {
    if (open.length > 0) runs.push(open);
    open = [];
    rows = 0;
  };
  tokens.forEach((end, branch) => {
    for (const piece of pieces(branch, shared, end, chunkTokens)) {
      const own = piece.end - piece.start;
      if (!packs || rows + own > chunkTokens) close();
      open.push(piece);
      rows += own;
    }
  });
  close();
  return runs;
}

export function rowsOf(run: Run): number {
  return run.reduce((sum, { start, end }) => sum + end - start, 0);
}

function pieces(branch: number | undefined, start: number, end: number, chunkTokens: number): Piece[] {
  const cut: Piece[] = [];
  for (let at = start; at < end; at += chunkTokens) {
    const to = Math.min(end, at + chunkTokens);
    cut.push({ branch, start: at, end: to, first: at === start, last: to === end });
  }
  return cut;
}
