import { sharedTokens, type PromptBeginning } from './prompt.beginning.js';

/**
 * A prompt joins others where at least this share of it is what they begin with: what is left of it is then less work than what it
 * saves. The few tokens with which every chat begins do not tie strangers together.
 */
const LEAST_SHARE = 0.5;

/** One that waits, beside the one whose turn it is. */
export interface Alike<Candidate> {
  readonly candidate: Candidate;
  /** Of its prompt. */
  readonly tokens: number;
  /** Tokens that both prompts begin with; fewer than either has. */
  readonly shared: number;
}

/** What each of those that wait has in common with the first, in their order. */
export function compareWith<Candidate>(
  first: Candidate,
  waiting: readonly Candidate[],
  promptOf: (candidate: Candidate) => PromptBeginning,
): Alike<Candidate>[] {
  const leader = promptOf(first);
  return waiting.map((candidate) => {
    const prompt = promptOf(candidate);
    const tokens = prompt.inputIds.length;
    // One token at least stays a prompt's own: the one that its answer begins from.
    const shared = Math.min(sharedTokens(leader, prompt), leader.inputIds.length - 1, tokens - 1);
    return { candidate, tokens, shared };
  });
}

export interface ChosenGroup<Candidate> {
  /** Those that join the first, in their order. */
  readonly others: Candidate[];
  /** Tokens that all of the group begin with; fewer than any has. */
  readonly shared: number;
}

/**
 * Chooses which of those that wait are prefilled together with the first.
 *
 * Of a tree of prefixes the group shares one, the one that saves most: with `l_1 >= l_2 >= ...` tokens in common with the first,
 * the `k` that makes `k * l_k` largest. The others share at their own turn.
 * @param most members in all
 */
export function chooseGroup<Candidate>(waiting: readonly Alike<Candidate>[], most: number): ChosenGroup<Candidate> {
  const alike = most > 1 ? waiting.filter(({ shared, tokens }) => shared > 0 && shared >= LEAST_SHARE * tokens) : [];
  const longest = [...alike].sort((a, b) => b.shared - a.shared).slice(0, most - 1);
  let best = 0;
  let shared = 0;
  longest.forEach((each, i) => {
    const saved = (i + 1) * each.shared;
    if (saved < best) return;
    best = saved;
    shared = each.shared;
  });
  if (best === 0) return { others: [], shared: 0 };
  const chosen = new Set(longest.filter((each) => each.shared >= shared));
  return { others: alike.filter((each) => chosen.has(each)).map(({ candidate }) => candidate), shared };
}
