import type { LayerSelection, LayerSelector, Observation } from '@madakv/madakv';
import type { LayerCache, LayerRows, PromptBuffer } from '../kv/kv.memory.js';
import type { KvLedger } from '../kv/kv.ledger.js';

/** Features of an image that are added to rows of a prompt behind the decoder's first layers. */
export interface VisualRows {
  /** Of the prompt's rows the first that it is for. */
  readonly row: number;
  /** `[visualLayers]`, each `[rows, hidden]` for the rows from there on. */
  readonly layers: readonly Float32Array[];
}

/** Rows of a prompt, ready for the decoder. */
export interface PromptRows {
  readonly rows: number;
  /** `[rows, hidden]`, visual tokens already replaced by the vision tower's features. Freed chunk by chunk. */
  readonly embeddings: Float32Array;
  /** `[axes, rows]` */
  readonly positions: Int32Array;
  /** Absent where there are none. */
  readonly visual?: readonly VisualRows[];
}

/** What all prompts of a group begin with, as it came out of another prefill. */
export interface ResidentBeginning {
  readonly tokens: number;
  /** One for each layer, `tokens` rows at least. */
  readonly layers: readonly LayerRows[];
}

/** Is shown every layer while it is in full, in order, with what all branches begin with in the buffer. */
export interface LayerKeeper {
  take(buffer: PromptBuffer): void;
}

/**
 * Prompts that begin with the same tokens, images and positions. A prompt by itself is a group that shares nothing. In `layer`
 * order only they may begin with resident rows, and be kept.
 */
export interface PrefillGroup {
  readonly axes: 1 | 3;
  /** What stands before `shared` and is not computed again. Nobody observes its queries. */
  readonly resident?: ResidentBeginning;
  /** What all branches begin with, behind the resident rows. */
  readonly shared: PromptRows;
  readonly keeper?: LayerKeeper;
  readonly branches: readonly PrefillBranch[];
}

/** A prompt of the group: what stands behind the shared rows, at least one row, and who asks with it. */
export interface PrefillBranch {
  readonly own: PromptRows;
  /** At least one. Those whose prompts are equal share all of the work but selecting and copying. */
  readonly members: readonly PrefillMember[];
}

/** A request's part in a group. */
export interface PrefillMember {
  readonly observation: Observation;
  readonly selector: LayerSelector;
  /** Is charged for the request's own caches. */
  readonly ledger: KvLedger;
  /** Compute the logits of the last token on the full cache (the plain protocol, without hold-back). */
  readonly logits: boolean;
  /** Asked between runs: a member that is no longer wanted gets no more work, and what it had is freed. */
  readonly abandoned?: () => boolean;
  /** Told when a layer is through, in `layer` order; times of `performance.now()`. */
  readonly onLayer?: (layer: number, startedAt: number, endedAt: number) => void;
}

/** Milliseconds and selections of a member's prefill. */
export interface PrefillReport {
  readonly selections: LayerSelection[];
  /** Of the whole group. */
  forwardMs: number;
  observeMs: number;
  evictMs: number;
}

export interface PrefillResult {
  readonly caches: readonly LayerCache[];
  readonly report: PrefillReport;
  /** `[vocab]` of the last token; present when asked for. */
  readonly logits: Float32Array | undefined;
}

/** What became of a member: its caches, what its own selector threw, or undefined where it was abandoned. */
export type PrefillOutcome =
  | { readonly kind: 'done'; readonly result: PrefillResult }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'abandoned' };

/** A member while its group is under way. */
export class MemberState {
  readonly caches: LayerCache[] = [];
  readonly report: PrefillReport = { selections: [], forwardMs: 0, observeMs: 0, evictMs: 0 };
  logits: Float32Array | undefined;
  private ended: Exclude<PrefillOutcome, { kind: 'done' }> | undefined;

  constructor(readonly member: PrefillMember) {}

  /** Whether there is still work to do for it; frees what it had when it has just been abandoned. */
  get active(): boolean {
    if (this.ended === undefined && this.member.abandoned?.() === true) this.end({ kind: 'abandoned' });
    return this.ended === undefined;
  }

  fail(error: unknown): void {
    this.end({ kind: 'failed', error });
  }

  outcome(forwardMs: number): PrefillOutcome {
    if (this.ended !== undefined) return this.ended;
    this.report.forwardMs = forwardMs;
    return { kind: 'done', result: { caches: this.caches, report: this.report, logits: this.logits } };
  }

  free(): void {
    for (const cache of this.caches.splice(0)) cache.free();
  }

  private end(outcome: Exclude<PrefillOutcome, { kind: 'done' }>): void {
    this.ended = outcome;
    this.free();
  }
}
