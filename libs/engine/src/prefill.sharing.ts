import type { PrefillChoice } from './prefill.choice.js';
import type { PrefillSharing } from './trace/cache.trace.js';

/** What became of a choice: members may have failed, or been cancelled, before it was begun with. */
export interface ReadTogether {
  readonly requests: number;
  /** Different prompts among them. */
  readonly branches: number;
  /** Tokens that all branches begin with; 0 for one by itself. */
  readonly shared: number;
}

/** A request's place among them. */
export interface MemberPlace {
  /** Of its prompt. */
  readonly tokens: number;
  readonly branch: number;
  /** Among the requests of its branch. */
  readonly place: number;
}

/** Who computed what: the first request all that is not resident, the first of each other branch what is its own, others nothing. */
export function sharingOf(
  choice: Pick<PrefillChoice<unknown>, 'jobs' | 'resident' | 'alone'>,
  { requests, branches, shared }: ReadTogether,
  { tokens, branch, place }: MemberPlace,
): PrefillSharing {
  const residentTokens = choice.resident?.tokens ?? 0;
  const sharedTokens = requests > 1 && branches === 1 ? tokens - 1 : shared;
  const cachedTokens = place > 0 ? tokens - 1 : branch > 0 ? shared : residentTokens;
  const all = { requests, sharedTokens, cachedTokens, residentTokens };
  const alikeTokens = Math.max(residentTokens, sharedTokens);
  if (residentTokens > 0) return { ...all, reason: 'resident', alikeTokens };
  if (sharedTokens > 0) return { ...all, reason: 'shared', alikeTokens };
  // Those that were to share it have ended before.
  if (choice.jobs.length > 1) return { ...all, reason: 'nothing_waited', alikeTokens };
  return { ...all, ...choice.alone };
}
