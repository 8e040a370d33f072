import { GrantTooSmallError } from './errors.js';
import { checkLayout, QUESTION_WINDOW, questionPositions } from './layout.js';
import type { Grant, ModelShape, PromptLayout } from './policy.js';

/** What a policy keeps whatever the attention says. */
export interface KeepRules {
  /** Most rows of the mean grant that the question may take, 0..1; beyond it its most recent tokens stay. */
  readonly questionCap: number;
  /** Most tokens that count as the question, its last ones; `QUESTION_WINDOW` where absent. */
  readonly questionWindow?: number;
  /** Candidates at the end of the prompt that count as part of the question. */
  readonly recent?: number;
  /** Candidates at the start of the prompt that are kept where there is room for them. */
  readonly sinks?: number;
  /** Evictable rows that every present modality keeps at least (or all it has, if fewer). */
  readonly modalityFloor: number;
}

/** A request's grant laid out over its prompt. Rows are candidate rows a head. */
export interface RequestPlan {
  readonly prompt: PromptLayout;
  readonly model: ModelShape;
  /** Positions below this are candidates. */
  readonly candidates: number;
  /** Rows of all layers together. */
  readonly rows: number;
  /** Ascending positions that every layer keeps: the last prompt token, the question up to its cap, sinks. */
  readonly pinned: Int32Array;
  /** `[modalities]` pinned positions. */
  readonly pinnedByModality: Int32Array;
  /** Ascending candidates that are not pinned. */
  readonly free: Int32Array;
  /** `[modalities]`: `free` by modality. */
  readonly freeOf: readonly Int32Array[];
  /** `[modalities]`: all candidates by modality, X_m. */
  readonly allOf: readonly Int32Array[];
  /** `[modalities]`: fewest free rows a layer keeps. */
  readonly freeFloors: Int32Array;
  /** Fewest rows a layer keeps: pinned and free floors, at least one. */
  readonly floor: number;
}

/** The smallest mean grant a head and layer that holds the floors: held-back token, last prompt token, modality floors. */
export function minimumTokensPerHead(prompt: PromptLayout, rules: KeepRules): number {
  checkLayout(prompt);
  return prompt.heldBack + minimumRows(prompt, rules);
}

/**
 * Lays a grant out over a prompt.
 *
 * @throws {GrantTooSmallError} when the grant cannot hold the floors.
 * @throws {PromptLayoutError} when the layout contradicts itself.
 */
export function planRequest(
  policy: string,
  prompt: PromptLayout,
  model: ModelShape,
  grant: Grant,
  rules: KeepRules,
): RequestPlan {
  const minimum = minimumTokensPerHead(prompt, rules);
  const candidates = prompt.tokens - prompt.heldBack;
  const granted = Math.floor(grant.tokensPerHead * model.layers) - prompt.heldBack * model.layers;
  const rows = Math.min(granted, candidates * model.layers);
  const mean = Math.floor(rows / model.layers);
  if (!(mean >= minimum - prompt.heldBack)) {
    throw new GrantTooSmallError(policy, grant.tokensPerHead, minimum, prompt.tokens);
  }
  const allOf = byModality(
    prompt,
    Int32Array.from({ length: candidates }, (_, i) => i),
  );
  const pinned = pin(prompt, rules, mean, allOf);
  const isPinned = new Uint8Array(candidates);
  for (const position of pinned) isPinned[position] = 1;
  const free = positionsOf(isPinned, 0);
  const freeOf = byModality(prompt, free);
  const freeFloors = Int32Array.from(freeOf, (among) => Math.min(rules.modalityFloor, among.length));
  const floor = pinned.length + freeFloors.reduce((sum, rowsOf) => sum + rowsOf, 0);
  return {
    prompt,
    model,
    candidates,
    rows,
    pinned,
    pinnedByModality: Int32Array.from(byModality(prompt, pinned), (among) => among.length),
    free,
    freeOf,
    allOf,
    freeFloors,
    floor: Math.max(floor, Math.min(1, candidates)),
  };
}

/** The ascending positions at which `marks` is `mark`. */
export function positionsOf(marks: Uint8Array, mark: number): Int32Array {
  const positions = new Int32Array(marks.length);
  let found = 0;
  for (let at = 0; at < marks.length; at++) if (marks[at] === mark) positions[found++] = at;
  return positions.slice(0, found);
}

/** `positions` by the modality of their tokens. */
export function byModality({ modalities, modalityOf }: PromptLayout, positions: Int32Array): Int32Array[] {
  const counts = new Int32Array(modalities.length);
  for (let i = 0; i < positions.length; i++) counts[modalityOf[positions[i]]]++;
  const lists = Array.from(counts, (count) => new Int32Array(count));
  counts.fill(0);
  for (let i = 0; i < positions.length; i++) {
    const modality = modalityOf[positions[i]];
    lists[modality][counts[modality]++] = positions[i];
  }
  return lists;
}

function minimumRows(prompt: PromptLayout, { modalityFloor }: KeepRules): number {
  const candidates = prompt.tokens - prompt.heldBack;
  const free = new Int32Array(prompt.modalities.length);
  for (let i = 0; i < candidates; i++) free[prompt.modalityOf[i]]++;
  const last = prompt.heldBack === 0 ? 1 : 0;
  if (last === 1) free[prompt.modalityOf[candidates - 1]]--;
  const floors = free.reduce((sum, tokens) => sum + Math.min(modalityFloor, tokens), 0);
  return Math.max(last + floors, Math.min(1, candidates));
}

/** Pins the last prompt token, then sinks, then the question from its end, as far as cap and floors leave room. */
function pin(prompt: PromptLayout, rules: KeepRules, mean: number, allOf: readonly Int32Array[]): Int32Array {
  const candidates = prompt.tokens - prompt.heldBack;
  const question = new Set(questionPositions(prompt, rules.questionWindow ?? QUESTION_WINDOW));
  const start = question.values().next().value ?? candidates;
  const pinned = new Set<number>();
  const open = allOf.map((among) => among.length);
  const roomWith = (position: number): boolean => {
    const floors = open.reduce(
      (sum, tokens, modality) =>
        sum + Math.min(rules.modalityFloor, tokens - (prompt.modalityOf[position] === modality ? 1 : 0)),
      0,
    );
    return pinned.size + 1 + floors <= mean;
  };
  const take = (position: number): void => {
    if (pinned.has(position)) return;
    pinned.add(position);
    open[prompt.modalityOf[position]]--;
  };
  if (prompt.heldBack === 0) take(candidates - 1);
  for (let at = 0; at < Math.min(rules.sinks ?? 0, candidates) && roomWith(at); at++) take(at);
  const cap = Math.floor(rules.questionCap * mean);
  const recent = prompt.tokens - (rules.recent ?? 0);
  let asked = prompt.heldBack === 0 ? 1 : 0;
  for (let at = candidates - 1; at >= Math.min(start, recent) && asked < cap; at--) {
    if (pinned.has(at) || (at < recent && !question.has(at))) continue;
    if (!roomWith(at)) break;
    take(at);
    asked++;
  }
  return Int32Array.from(pinned).sort();
}
