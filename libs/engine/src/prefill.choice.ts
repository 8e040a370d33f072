import type { Job } from './job.js';
import { chooseGroup, compareWith, type Alike } from './prompt.groups.js';
import { keptBeginning } from './resident/kept.beginning.js';
import type { ResidentPart, ResidentRows } from './resident/resident.rows.js';
import type { SharingReason } from './trace/cache.trace.js';

/** What is looked at of a request. */
type Choosable = Pick<Job, 'prompt' | 'unobservedTokens' | 'request'>;

/** Who is prefilled next, and with what. */
export interface PrefillChoice<Candidate = Job> {
  /** The first and those that join it. */
  readonly jobs: readonly Candidate[];
  /** Tokens that all of them begin with; 0 for one by itself. */
  readonly shared: number;
  /** Rows that all of them begin with; of its tokens not more than `shared` where several are chosen. */
  readonly resident: ResidentPart | undefined;
  /** Why the first shares nothing, where it is by itself and nothing is resident. */
  readonly alone: Alone;
}

export interface Alone {
  readonly reason: Exclude<SharingReason, 'resident' | 'shared'>;
  readonly alikeTokens: number;
}

/** Resident rows are used where they are at least this share of what a group without them would share, which fewer may join. */
const LEAST_SHARE = 0.5;

/**
 * Chooses those of the waiting that are prefilled together with the first, and the resident rows that they begin with.
 * @param most members in all
 */
export function choosePrefill<Candidate extends Choosable>(
  first: Candidate,
  waiting: readonly Candidate[],
  most: number,
  residents: ResidentRows | undefined,
): PrefillChoice<Candidate> {
  const compared = most > 1 ? compareWith(first, waiting, ({ prompt }) => prompt) : [];
  const known = residents?.longest(first.prompt);
  const alone = whyAlone(first, compared, known?.tokens ?? 0, residents);
  const cold = chooseGroup(compared, most);
  const usable = residents === undefined || known === undefined ? undefined : usableOf(first, known, residents);
  if (usable === undefined || usable.tokens < LEAST_SHARE * cold.shared) {
    return { jobs: [first, ...cold.others], shared: cold.shared, resident: undefined, alone };
  }
  const joining = compared.filter((each) => joins(each, first, usable));
  const { others, shared } = chooseGroup(joining, most);
  const tokens = Math.min(usable.tokens, shared);
  if (tokens + others.length * shared <= usable.tokens) {
    return { jobs: [first], shared: 0, resident: usable, alone };
  }
  return { jobs: [first, ...others], shared, resident: { ...usable, tokens }, alone };
}

/** Resident rows that a request can begin with: those before the queries that its policy wants to see. */
function usableOf(job: Choosable, known: ResidentPart, { leastTokens }: ResidentRows): ResidentPart | undefined {
  const tokens = Math.min(known.tokens, job.unobservedTokens, job.prompt.inputIds.length - 1);
  return tokens < leastTokens ? undefined : { entry: known.entry, tokens };
}

/**
 * Whether a request may join the first on its resident rows. It must not watch them, and where it begins with fewer of them, so that
 * all of the group do, it must not cost the first more than it has to compute anyway.
 */
function joins({ candidate, shared }: Alike<Choosable>, first: Choosable, { tokens }: ResidentPart): boolean {
  return shared >= 2 * tokens - first.prompt.inputIds.length && candidate.unobservedTokens >= Math.min(tokens, shared);
}

function whyAlone(
  first: Choosable,
  compared: readonly Alike<Choosable>[],
  resident: number,
  residents: ResidentRows | undefined,
): Alone {
  const alikeTokens = compared.reduce((longest, { shared }) => Math.max(longest, shared), resident);
  return { reason: reasonOf(first, compared.length > 0, resident, residents), alikeTokens };
}

function reasonOf(
  first: Choosable,
  someWaited: boolean,
  resident: number,
  residents: ResidentRows | undefined,
): Alone['reason'] {
  if (residents !== undefined && resident >= residents.leastTokens) return 'observes_all';
  if (someWaited) return 'nothing_alike';
  if (residents === undefined) return 'off';
  const { tokens } = keptBeginning(first.request.prompt, undefined);
  if (tokens < residents.leastTokens) return 'short';
  if (residents.exceedsLimit(first.prompt, tokens)) return 'too_large';
  return residents.empty ? 'nothing_waited' : 'nothing_alike';
}
