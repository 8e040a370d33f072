import type { Observation } from '@madakv/madakv';
import type { Tensor } from '@madakv/onnx';
import type { Decoder } from './decoder.js';
import { ImportanceRecorder } from './importance.recorder.js';
import type { MemberState } from './prefill.group.js';
import type { Piece } from './prefill.plan.js';

/** Members of a branch that watch the same attention, which is scored once for them. */
interface Watched {
  readonly recorder: ImportanceRecorder;
  readonly all: boolean;
  readonly members: MemberState[];
  ms: number;
}

/** A branch as scoring sees it. */
export interface ScoredBranch {
  /** All tokens of its prompt. */
  readonly tokens: number;
  readonly members: readonly MemberState[];
}

/** What the members of a group watch in one layer. */
export class LayerScoring {
  /** Attention of all shared queries, for the members that watch all. */
  private readonly sharedAll: ImportanceRecorder | undefined;
  private readonly branches: readonly (readonly Watched[])[];
  private sharedAllMs = 0;

  /** @param index `[tokens]` of the longest branch at least: 0, 1, 2, ... */
  constructor(
    decoder: Decoder,
    private readonly shared: number,
    branches: readonly ScoredBranch[],
    private readonly index: Float32Array,
  ) {
    this.branches = branches.map(({ tokens, members }) => watchedBy(members, tokens, decoder));
    const watchesAll = this.branches.some((watched) => watched.some(({ all }) => all));
    if (shared > 0 && watchesAll) this.sharedAll = new ImportanceRecorder({ kind: 'all' }, decoder, shared);
  }

  /** Rows of the shared part have passed. @param q `[end - start, heads * dim]`. @param keys of the rows up to `end` at least */
  async seeShared(q: Tensor, { start, end }: Piece, keys: Tensor): Promise<void> {
    if (this.sharedAll !== undefined) {
      const started = performance.now();
      await this.sharedAll.collect(q, start, end);
      await this.sharedAll.score(keys, this.index);
      this.sharedAllMs += performance.now() - started;
    }
    for (const watched of this.branches.flat()) {
      if (!watched.all) await timed(watched, () => watched.recorder.collect(q, start, end));
    }
  }

  /** Rows of a branch have passed. */
  async see(q: Tensor, { branch, start, end, first, last }: Piece, keys: Tensor): Promise<void> {
    for (const watched of this.branches[branch ?? 0]) {
      const { recorder, all } = watched;
      await timed(watched, async () => {
        if (all && first && this.sharedAll !== undefined) recorder.addRows(this.sharedAll.rows(), this.shared);
        await recorder.collect(q, start, end);
        if (all || last) await recorder.score(keys, this.index);
      });
    }
  }

  /** Hands over what was recorded for each member of a branch. */
  *take(branch: number): Generator<{ readonly member: MemberState; readonly importance: Float32Array }> {
    for (const { recorder, members, all, ms } of this.branches[branch]) {
      const importance = recorder.take();
      for (const member of members) {
        member.report.observeMs += ms + (all ? this.sharedAllMs : 0);
        yield { member, importance };
      }
    }
  }

  free(): void {
    this.sharedAll?.free();
    for (const { recorder } of this.branches.flat()) recorder.free();
  }
}

function watchedBy(members: readonly MemberState[], tokens: number, decoder: Decoder): Watched[] {
  const found = new Map<string, Watched>();
  for (const member of members) {
    const { observation } = member.member;
    const key = observationKey(observation);
    const known = found.get(key);
    if (known !== undefined) known.members.push(member);
    else {
      const recorder = new ImportanceRecorder(observation, decoder, tokens);
      found.set(key, { recorder, all: observation.kind === 'all', members: [member], ms: 0 });
    }
  }
  return [...found.values()];
}

async function timed(watched: Watched, work: () => Promise<void>): Promise<void> {
  const started = performance.now();
  await work();
  watched.ms += performance.now() - started;
}

function observationKey(observation: Observation): string {
  if (observation.kind !== 'queries') return observation.kind;
  const { positions, weights, groupReduction } = observation;
  return `${groupReduction} ${positions.join()} ${weights.join()}`;
}
