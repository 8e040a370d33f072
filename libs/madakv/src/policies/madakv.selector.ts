import { apportion } from '../apportion.js';
import { meanDemand } from '../compensation.js';
import { demandOf } from '../demand.js';
import { LayerLedger } from '../hcc.js';
import { reduceHeads } from '../heads.js';
import type { LayerSelection, LayerSelector } from '../policy.js';
import { createPooler, type Pooler } from '../pooling.js';
import { preferenceOf } from '../preference.js';
import type { LayerProfile } from '../profile.js';
import type { RequestPlan } from '../request.plan.js';
import { Scratch } from '../scratch.js';
import { ImportanceGuard, SelectionBuilder } from '../selection.js';
import { markTop } from '../topk.js';
import type { MadaKvOptions } from './madakv.options.js';

/** The layers of one request under MadaKV: for each, psi -> w (6), k (9) -> rows (10, 11) -> split (7, 8) -> top by psi. */
export class MadaKvSelector implements LayerSelector {
  private readonly guard: ImportanceGuard;
  private readonly scratch: Scratch;
  private readonly ledger: LayerLedger;
  private readonly pool: Pooler;
  private readonly shared: boolean;
  /** `[tokens]`: the heads' joint psi where they select together. */
  private readonly joint: Float32Array;
  /** `[heads or 1][tokens]`: psi after pooling; what is ranked. */
  private readonly pooled: readonly Float32Array[];
  /** `[modalities]`: the positions that w and k are taken over. */
  private readonly weighed: readonly Int32Array[];
  private readonly sizes: Int32Array;

  constructor(
    private readonly plan: RequestPlan,
    private readonly options: MadaKvOptions,
    private readonly profile: LayerProfile,
  ) {
    const { prompt, model, pinned, candidates } = plan;
    this.guard = new ImportanceGuard(plan);
    this.scratch = new Scratch(prompt.tokens);
    this.pool = createPooler(options.pooling, prompt, candidates);
    this.shared = options.headReduction !== 'none';
    this.joint = new Float32Array(this.shared ? prompt.tokens : 0);
    this.pooled = Array.from({ length: this.shared ? 1 : model.heads }, () => new Float32Array(prompt.tokens));
    this.weighed =
      options.preferenceOf === 'all' ? plan.allOf : plan.freeOf.map((among) => beyond(among, options.sinks));
    this.sizes = Int32Array.from(plan.freeOf, (among) => among.length);
    const evictable = Math.floor(plan.rows / model.layers) - pinned.length;
    this.ledger = new LayerLedger({
      rule: options.layerRule,
      rows: plan.rows,
      weights: profile.layers,
      pinned: pinned.length,
      floor: Math.max(plan.floor, pinned.length + Math.floor(options.layerFloor * evictable)),
      ceiling: candidates,
      beta: options.beta,
      compensate: options.hcc,
    });
  }

  select(layer: number, importance: Float32Array): LayerSelection {
    this.guard.check(layer, importance, true);
    const psi = this.headRows(layer, importance);
    psi.forEach((row, head) => {
      this.pool(row, this.pooled[head]);
    });
    const headWeights = this.shared ? undefined : this.profile.heads?.[layer];
    const demand = meanDemand(
      this.pooled.map((row) => this.demandOfHead(row)),
      headWeights,
    );
    const selection = new SelectionBuilder(this.plan, { ...this.ledger.next(demand), demand });
    psi.forEach((row, head) => {
      const preference = preferenceOf(row, this.weighed);
      this.markHead(selection.layer.rows, preference, row, this.pooled[head]);
      selection.take(head, this.scratch, preference);
    });
    if (this.shared) selection.shareFirst();
    return selection.build();
  }

  /** `[heads or 1][tokens]`: psi of every head that selects for itself. */
  private headRows(layer: number, importance: Float32Array): Float32Array[] {
    const { heads } = this.plan.model;
    const { tokens } = this.plan.prompt;
    const { headReduction } = this.options;
    if (headReduction !== 'none') {
      reduceHeads(importance, heads, headReduction, this.joint, this.profile.heads?.[layer]);
      return [this.joint];
    }
    return Array.from({ length: heads }, (_, head) => importance.subarray(head * tokens, (head + 1) * tokens));
  }

  /** Sum over m of k_m (9) of one head, with the rows that are kept anyway. */
  private demandOfHead(scores: Float32Array): number {
    const { theta, preferenceOf: over } = this.options;
    const pinned = over === 'all' ? 0 : this.plan.pinned.length;
    return this.weighed.reduce((sum, among) => sum + demandOf(scores, among, theta, this.scratch), pinned);
  }

  private markHead(rows: number, preference: Float64Array, psi: Float32Array, pooled: Float32Array): void {
    const { plan, scratch, options } = this;
    const { marks } = scratch;
    for (const position of plan.pinned) marks[position] = 1;
    const free = rows - plan.pinned.length;
    const split = options.mpa ? this.splitByPreference(free, preference) : this.splitByRank(free, psi, pooled);
    plan.freeOf.forEach((among, modality) => {
      markTop(pooled, among, split[modality], marks, scratch, psi);
    });
  }

  /** (7), (8): the free rows of each modality. Over `all`, the pinned rows of a modality count towards its part. */
  private splitByPreference(free: number, preference: Float64Array): Int32Array {
    const { freeFloors, pinnedByModality, pinned } = this.plan;
    if (this.options.preferenceOf === 'evictable') return apportion(free, preference, freeFloors, this.sizes);
    const minima = freeFloors.map((floor, modality) => floor + pinnedByModality[modality]);
    const maxima = this.sizes.map((size, modality) => size + pinnedByModality[modality]);
    const rows = apportion(free + pinned.length, preference, minima, maxima);
    return rows.map((part, modality) => part - pinnedByModality[modality]);
  }

  /** Without MPA: each modality gets as many rows as it has among the best of all, but no fewer than its floor. */
  private splitByRank(free: number, psi: Float32Array, pooled: Float32Array): Int32Array {
    const { marks } = this.scratch;
    markTop(pooled, this.plan.free, free, marks, this.scratch, psi);
    const best = Int32Array.from(this.plan.freeOf, (among) => {
      let count = 0;
      for (const position of among) {
        count += marks[position];
        marks[position] = 0;
      }
      return count;
    });
    return apportion(free, best, this.plan.freeFloors, this.sizes);
  }
}

/** The positions of `among` (ascending) that are not among the first `sinks` tokens of the prompt. */
function beyond(among: Int32Array, sinks: number): Int32Array {
  let from = 0;
  while (from < among.length && among[from] < sinks) from++;
  return among.subarray(from);
}
