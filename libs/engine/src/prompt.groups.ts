import type { PreparedPrompt } from '@madakv/models';
import type { PromptImage } from './vision.encoder.js';

type Prompt = PreparedPrompt<PromptImage>;

/**
 * A prompt joins others where at least this share of it is what they begin with: what is left of it is then less work than what it
 * saves. The few tokens with which every chat begins do not tie strangers together.
 */
const LEAST_SHARE = 0.5;

/**
 * How many tokens two prompts begin with in common: the same ids at the same positions, and the same images. Placeholders are
 * alike for all images, so an image is compared by its key, which stands for its pixels as the vision tower gets them.
 */
export function sharedTokens(a: Prompt, b: Prompt): number {
  if (a.axes !== b.axes) return 0;
  const length = Math.min(a.inputIds.length, b.inputIds.length);
  let shared = 0;
  while (shared < length && a.inputIds[shared] === b.inputIds[shared] && samePosition(a, b, shared)) shared++;
  const images = [imagesOf(a), imagesOf(b)];
  for (let i = 0; i < images[0].length; i++) {
    const [one, other] = [images[0][i], images[1].at(i)];
    if (one.start >= shared) break;
    if (one.start !== other?.start || one.end !== other.end || one.key !== other.key) {
      return Math.min(shared, one.start);
    }
  }
  return shared;
}

/** Whether two prompts are one and the same. */
export function samePrompt(a: Prompt, b: Prompt): boolean {
  return a.inputIds.length === b.inputIds.length && sharedTokens(a, b) === a.inputIds.length;
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
export function chooseGroup<Candidate>(
  first: Candidate,
  waiting: readonly Candidate[],
  most: number,
  promptOf: (candidate: Candidate) => Prompt,
): ChosenGroup<Candidate> {
  const leader = promptOf(first);
  const alike: { readonly candidate: Candidate; readonly shared: number }[] = [];
  if (most > 1) {
    for (const candidate of waiting) {
      const prompt = promptOf(candidate);
      // One token at least stays a prompt's own: the one that its answer begins from.
      const shared = Math.min(sharedTokens(leader, prompt), leader.inputIds.length - 1, prompt.inputIds.length - 1);
      if (shared > 0 && shared >= LEAST_SHARE * prompt.inputIds.length) alike.push({ candidate, shared });
    }
  }
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

function samePosition(a: Prompt, b: Prompt, token: number): boolean {
  for (let axis = 0; axis < a.axes; axis++) {
    const one = a.positions[axis * a.inputIds.length + token];
    if (one !== b.positions[axis * b.inputIds.length + token]) return false;
  }
  return true;
}

function imagesOf({
  segments,
  images,
}: Prompt): { readonly start: number; readonly end: number; readonly key: string }[] {
  return segments
    .filter(({ modality }) => modality === 'visual')
    .map(({ start, end, image }, order) => ({ start, end, key: images[image ?? order].key }));
}
