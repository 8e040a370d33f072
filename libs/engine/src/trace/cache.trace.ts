import type { LayerSelection, PromptLayout } from '@madakv/madakv';

/** What one layer kept, and why. */
export interface LayerTrace {
  readonly layer: number;
  /** phi^l: rows a head the layer was meant to keep. */
  readonly budget: number;
  /** Rows a head that theta of the attention asked for (9). */
  readonly demand: number;
  /** K^l (10): rows a head that later layers pay for, or gain when negative. */
  readonly compensation: number;
  /** Rows every head keeps. */
  readonly rows: number;
  /** `[heads][modalities]` */
  readonly kept: readonly (readonly number[])[];
  /** `[heads][modalities]` share of the attention (6). */
  readonly preference: readonly (readonly number[])[];
  /**
   * `[heads]` share of the attention of the queries that the policy observes which falls on kept rows (`attentionKept` of libs/madakv), to four
   * digits. Absent where the policy observes none, or all of them.
   */
  readonly attentionKept?: readonly number[];
  /** By head, base64 of one bit a prompt token, lowest bit first: 1 where the token was kept. */
  readonly positions: readonly string[];
}

/**
 * Why a request's prefill had in common what it had.
 *
 * - `resident`: its beginning was read before and lay in memory, whether or not others were prefilled with it
 * - `shared`: others that waited begin like it and were prefilled with it
 *
 * or nothing was shared, since
 *
 * - `nothing_alike`: others waited, or rows were resident, but too little of this prompt begins like them (`alikeTokens`)
 * - `observes_all`: resident rows begin like it, but its policy wants the attention of queries in them, which are not kept
 * - `too_large`: nobody waited, and no memory for resident rows could hold its beginning
 * - `short`: nobody waited, and so short a beginning is not kept
 * - `off`: nobody waited, and rows are not kept
 * - `nothing_waited`: nobody waited that could join, and nothing was resident
 */
export const SHARING_REASONS = [
  'resident',
  'shared',
  'nothing_alike',
  'observes_all',
  'too_large',
  'short',
  'off',
  'nothing_waited',
] as const;
export type SharingReason = (typeof SHARING_REASONS)[number];

/** What a request's prefill had in common with others'. */
export interface PrefillSharing {
  /** Requests that were prefilled together, this one among them: the times of prefill are of all. */
  readonly requests: number;
  /** Tokens that all of them begin with. */
  readonly sharedTokens: number;
  /** Of this request's prompt tokens those that were not computed for it; the resident ones for the first of a group. */
  readonly cachedTokens: number;
  /** Tokens that it begins with whose rows were resident: nobody computed them. */
  readonly residentTokens: number;
  readonly reason: SharingReason;
  /** The longest beginning in common with a prompt that waited or with resident rows, used or not. */
  readonly alikeTokens: number;
}

/** What the cache reduction did to one request. Bytes are of allocated key-value cache. */
export interface CacheTrace {
  readonly policy: string;
  readonly ratio: number;
  readonly protocol: string;
  readonly modalities: readonly string[];
  /** Prompt tokens by modality. */
  readonly promptTokens: readonly number[];
  /** With whom the prefill was shared. `ms.prefill` is that of the whole group. */
  readonly sharing: PrefillSharing;
  readonly layers: readonly LayerTrace[];
  readonly bytes: {
    /** What the whole prompt would take. */
    readonly full: number;
    readonly peak: number;
    readonly afterEviction: number;
    readonly final: number;
  };
  readonly ms: {
    readonly queue: number;
    readonly vision: number;
    readonly prefill: number;
    readonly observe: number;
    readonly evict: number;
    readonly firstToken: number;
    readonly decode: number;
  };
}

/**
 * @param attentionKept `[layers]`, each `[heads]`; of layers that have none nothing is said
 */
export function traceLayers(
  selections: readonly LayerSelection[],
  layout: PromptLayout,
  heads: number,
  attentionKept: readonly Float64Array[] = [],
): LayerTrace[] {
  const modalities = layout.modalities.length;
  const byHead = (values: ArrayLike<number>): number[][] =>
    Array.from({ length: heads }, (_, head) =>
      Array.from({ length: modalities }, (_, modality) => values[head * modalities + modality]),
    );
  return selections.map((selection, layer) => ({
    layer,
    budget: selection.target,
    demand: selection.demand,
    compensation: selection.compensation,
    rows: selection.rows,
    kept: byHead(selection.keptByModality),
    preference: byHead(selection.preference),
    ...(attentionKept.at(layer) === undefined ? {} : { attentionKept: Array.from(attentionKept[layer], rounded) }),
    positions: Array.from({ length: heads }, (_, head) =>
      encodePositions(selection.kept.subarray(head * selection.rows, (head + 1) * selection.rows), layout.tokens),
    ),
  }));
}

/** To four digits after the point. */
function rounded(share: number): number {
  return Math.round(1e4 * share) / 1e4;
}

/** Base64 of a bit set over `tokens` positions. */
export function encodePositions(positions: Int32Array, tokens: number): string {
  const bits = new Uint8Array(Math.ceil(tokens / 8));
  for (const position of positions) bits[position >> 3] |= 1 << (position & 7);
  return Buffer.from(bits).toString('base64');
}

/** The positions in a bit set written by {@link encodePositions}, ascending. */
export function decodePositions(encoded: string): Int32Array {
  const positions: number[] = [];
  Buffer.from(encoded, 'base64').forEach((byte, index) => {
    for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) positions.push(index * 8 + bit);
  });
  return Int32Array.from(positions);
}
