import { decodePositions, promptLayout, type CacheTrace, type GenerationResult } from '@madakv/engine';
import type { Grid } from '@madakv/madakv';
import type { PreparedPrompt, Tokenizer } from '@madakv/models';
import type { Evidence } from './evidence.js';

/** One head of one layer. */
export interface HeadExplanation {
  readonly layer: number;
  readonly head: number;
  /** Share of the proxies' attention that went to text (6). */
  readonly textPreference: number;
  readonly keptText: number;
  readonly keptVisual: number;
  /** Share of the answer's evidence in this head that was kept; undefined where the head looks at nothing in the document. */
  readonly evidenceKept: number | undefined;
}

/** A place that the right answer is read from. */
export interface EvidencePlace {
  readonly position: number;
  /** Share of the evidence of all layers and heads. */
  readonly share: number;
  /** Heads of all layers that kept it. */
  readonly keptBy: number;
  /** `page 0, row 3, column 12`, or the token's text. */
  readonly where: string;
}

export interface Explanation {
  readonly policy: string;
  readonly ratio: number;
  readonly protocol: string;
  readonly expected: string;
  readonly answer: string;
  readonly fullAnswer: string;
  readonly promptTokens: number;
  readonly keptBytes: number;
  readonly fullBytes: number;
  /** `[layers]` rows a head. */
  readonly rows: readonly number[];
  readonly heads: readonly HeadExplanation[];
  readonly places: readonly EvidencePlace[];
}

/** Which cells of a page a layer kept, and which it should have. */
export interface PageLayer {
  /** `[rows * cols]` heads that kept the cell. */
  readonly keptBy: Uint8Array;
  /** `[rows * cols]` evidence summed over heads. */
  readonly evidence: Float32Array;
}

/** Places listed. */
const MOST_PLACES = 12;

export function explain(
  { expected, answered, full }: { expected: string; answered: GenerationResult; full: GenerationResult },
  prompt: PreparedPrompt,
  evidence: Evidence,
  tokenizer: Tokenizer,
): Explanation {
  const { trace } = answered;
  const kept = keptSets(trace);
  const [text, visual] = [trace.modalities.indexOf('text'), trace.modalities.indexOf('visual')];
  return {
    policy: trace.policy,
    ratio: trace.ratio,
    protocol: trace.protocol,
    expected,
    answer: answered.text,
    fullAnswer: full.text,
    promptTokens: prompt.inputIds.length,
    keptBytes: trace.bytes.afterEviction,
    fullBytes: trace.bytes.full,
    rows: trace.layers.map(({ rows }) => rows),
    heads: trace.layers.flatMap(({ layer, kept: counts, preference }) =>
      counts.map((count, head) => ({
        layer,
        head,
        textPreference: preference[head][text],
        keptText: count[text],
        keptVisual: count[visual],
        evidenceKept: shareKept(evidence.attention[layer][head], kept[layer][head]),
      })),
    ),
    places: evidencePlaces(prompt, evidence, kept, tokenizer),
  };
}

/** `[layers][heads]` positions that were kept; a replayed token is kept by all. */
function keptSets({ layers }: CacheTrace): ReadonlySet<number>[][] {
  return layers.map(({ positions }) => positions.map((encoded) => new Set(decodePositions(encoded))));
}

function shareKept(weights: Float32Array, kept: ReadonlySet<number>): number | undefined {
  let [all, held] = [0, 0];
  weights.forEach((weight, position) => {
    all += weight;
    if (kept.has(position)) held += weight;
  });
  return all === 0 ? undefined : held / all;
}

function evidencePlaces(
  prompt: PreparedPrompt,
  { attention }: Evidence,
  kept: readonly (readonly ReadonlySet<number>[])[],
  tokenizer: Tokenizer,
): EvidencePlace[] {
  const sums = new Float32Array(prompt.inputIds.length);
  for (const heads of attention) for (const row of heads) row.forEach((weight, i) => (sums[i] += weight));
  const total = sums.reduce((sum, weight) => sum + weight, 0) || 1;
  const { grids } = promptLayout(prompt, 0);
  return Array.from(sums.keys())
    .filter((position) => sums[position] > 0)
    .sort((a, b) => sums[b] - sums[a])
    .slice(0, MOST_PLACES)
    .map((position) => ({
      position,
      share: sums[position] / total,
      keptBy: kept.flat().filter((set) => set.has(position)).length,
      where: placeOf(position, grids, prompt, tokenizer),
    }));
}

function placeOf(position: number, grids: readonly Grid[], prompt: PreparedPrompt, tokenizer: Tokenizer): string {
  const page = grids.findIndex(({ start, rows, cols }) => position >= start && position < start + rows * cols);
  if (page === -1) {
    return `text ${JSON.stringify(tokenizer.decode([prompt.inputIds[position]], { skipSpecial: false }))}`;
  }
  const cell = position - grids[page].start;
  return `page ${page}, row ${Math.floor(cell / grids[page].cols)}, column ${cell % grids[page].cols}`;
}

/** What every layer kept of one page. @returns `[layers]` */
export function pageLayers(trace: CacheTrace, { attention }: Evidence, { start, rows, cols }: Grid): PageLayer[] {
  return keptSets(trace).map((heads, layer) => ({
    keptBy: Uint8Array.from({ length: rows * cols }, (_, cell) => heads.filter((set) => set.has(start + cell)).length),
    evidence: Float32Array.from({ length: rows * cols }, (_, cell) =>
      attention[layer].reduce((sum, row) => sum + row[start + cell], 0),
    ),
  }));
}
