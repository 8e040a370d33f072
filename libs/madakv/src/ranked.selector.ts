import { LayerLedger } from './hcc.js';
import type { LayerSelection, LayerSelector, MergePlan } from './policy.js';
import { preferenceOf, shareOfTokens } from './preference.js';
import type { RequestPlan } from './request.plan.js';
import { Scratch } from './scratch.js';
import { ImportanceGuard, SelectionBuilder } from './selection.js';
import { markTop } from './topk.js';

/** How a policy without modalities and demand ranks the rows of a head. */
export interface Ranking {
  /** `[layers]` relative rows of the layers, on top of what is pinned. */
  readonly layerWeights: readonly number[];
  /** Whether `score` reads the importance. */
  readonly observes: boolean;
  /** Share of a layer's rows that goes to its most recent candidates before the ranking. 0..1, 0 where absent. */
  readonly recentShare?: number;
  /** Writes the `[tokens]` scores (finite, >= 0) of one head; `psi` is its importance, empty where not observed. */
  score(psi: Float32Array, out: Float32Array, layer: number, head: number): void;
  readonly merge?: MergePlan;
}

/** Keeps what is pinned, then the most recent rows, then the best by score: the frame that all rivals fit in. */
export class RankedSelector implements LayerSelector {
  private readonly guard: ImportanceGuard;
  private readonly scratch: Scratch;
  private readonly scores: Float32Array;
  private readonly open: Int32Array;
  private readonly ledger: LayerLedger;

  constructor(
    private readonly plan: RequestPlan,
    private readonly ranking: Ranking,
  ) {
    this.guard = new ImportanceGuard(plan);
    this.scratch = new Scratch(plan.prompt.tokens);
    this.scores = new Float32Array(plan.prompt.tokens);
    this.open = new Int32Array(plan.free.length);
    this.ledger = new LayerLedger({
      rule: 'profile',
      rows: plan.rows,
      weights: ranking.layerWeights,
      pinned: plan.pinned.length,
      floor: plan.floor,
      ceiling: plan.candidates,
      beta: 1,
      compensate: false,
    });
  }

  select(layer: number, importance: Float32Array): LayerSelection {
    const { plan, ranking, scores, scratch } = this;
    const { tokens } = plan.prompt;
    this.guard.check(layer, importance, ranking.observes);
    const budget = this.ledger.next(plan.candidates);
    const selection = new SelectionBuilder(plan, { ...budget, demand: budget.rows });
    for (let head = 0; head < plan.model.heads; head++) {
      const psi = importance.subarray(head * tokens, (head + 1) * tokens);
      ranking.score(psi, scores, layer, head);
      const left = this.markKept(budget.rows);
      markTop(scores, this.unmarked(budget.rows), left, scratch.marks, scratch);
      const observed = ranking.observes ? preferenceOf(psi, plan.allOf) : shareOfTokens(plan.allOf);
      selection.take(head, scratch, observed);
    }
    return selection.build(ranking.merge);
  }

  /** Marks pinned and recent rows; returns how many rows are left for the ranking. */
  private markKept(rows: number): number {
    const { plan, scratch } = this;
    for (const position of plan.pinned) scratch.marks[position] = 1;
    let left = rows - plan.pinned.length;
    for (let at = plan.candidates - 1; at >= plan.candidates - this.recent(rows) && left > 0; at--) {
      if (scratch.marks[at] === 1) continue;
      scratch.marks[at] = 1;
      left--;
    }
    return left;
  }

  /** Ascending positions that the ranking may still choose. */
  private unmarked(rows: number): Int32Array {
    const { plan, scratch } = this;
    if (this.recent(rows) === 0) return plan.free;
    const { open } = this;
    let found = 0;
    for (const position of plan.free) if (scratch.marks[position] === 0) open[found++] = position;
    return open.subarray(0, found);
  }

  private recent(rows: number): number {
    return Math.floor(rows * (this.ranking.recentShare ?? 0));
  }
}
