import { shareWithin } from './apportion.js';
import { compensationOf } from './compensation.js';

/** How a layer's target and its demand make the rows it keeps. */
export type LayerRule =
  /** Keep the target phi^l; K^l comes from the demand, as printed. */
  | 'literal'
  /** Keep the demand, up to beta times the target; K^l is what was kept over the target. */
  | 'demand'
  /** As `demand`, with targets that follow the layer profile. */
  | 'profile';

/** What a layer budget is made of. Rows are candidate rows a head. */
export interface LayerBudget {
  readonly rule: LayerRule;
  /** Rows of all layers together. */
  readonly rows: number;
  /** `[layers]` relative targets; all equal for a flat start. */
  readonly weights: ArrayLike<number>;
  /** Rows that every layer keeps anyway; the weights shape what comes on top. */
  readonly pinned: number;
  /** Rows no layer may fall below: floor * layers <= rows, floor >= pinned. */
  readonly floor: number;
  /** Rows no layer can exceed: ceiling * layers >= rows. */
  readonly ceiling: number;
  /** Most a layer may keep, in targets. */
  readonly beta: number;
  /** false: every layer keeps its target, nothing is compensated. */
  readonly compensate: boolean;
}

/** What a layer keeps under its budget. */
export interface LayerRows {
  readonly rows: number;
  /** phi^l */
  readonly target: number;
  /** K^l */
  readonly compensation: number;
}

/**
 * Hierarchical compensation, equation (11) of MadaKV (ACL 2025, arXiv 2506.15724): phi^{l+1} = phi^l - K^l / (L - l).
 *
 * `literal` applies it as printed. For `demand` and `profile`, where K^l is what the layer really kept over its target,
 * (11) is the same as sharing what is left among the layers that are left (equally, or by the profile), and is computed
 * that way: exact, without drift, within floor and ceiling.
 *
 * Invariants, for any demand: every layer keeps floor..ceiling rows, and all layers together keep exactly `rows` -
 * whatever is left when the last layer comes is its to use.
 */
export class LayerLedger {
  private left: number;
  private layer = 0;
  private phi: number;

  constructor(private readonly budget: LayerBudget) {
    this.left = budget.rows;
    this.phi = budget.rows / budget.weights.length;
  }

  /** Settles the next layer. @param demand mean rows a head that the layer needs. */
  next(demand: number): LayerRows {
    const { rule, floor, ceiling, beta, compensate } = this.budget;
    const later = this.budget.weights.length - this.layer - 1;
    const low = Math.max(floor, this.left - ceiling * later);
    const high = Math.min(ceiling, this.left - floor * later);
    const carried = rule === 'literal' && compensate;
    const target = clamp(carried ? this.phi : this.share(), low, high);
    const wanted = compensate && !carried ? Math.min(Math.ceil(demand), Math.round(beta * target)) : Math.round(target);
    const rows = clamp(wanted, low, high);
    const compensation = compensate ? compensationOf(carried ? demand : rows, target) : 0;
    if (later > 0) this.phi = target - compensation / later;
    this.left -= rows;
    this.layer++;
    return { rows, target, compensation };
  }

  /** The part of what is left that the weights give to the next layer, within every later layer's bounds. */
  private share(): number {
    const { pinned, floor, ceiling } = this.budget;
    const weights = Array.from(this.budget.weights).slice(this.layer);
    const free = this.left - pinned * weights.length;
    const minima = weights.map(() => floor - pinned);
    const maxima = weights.map(() => ceiling - pinned);
    return pinned + shareWithin(free, weights, minima, maxima)[0];
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
