import type { Estimate } from '../statistics/cluster.bootstrap.js';
import { ABLATION_LABELS } from '../variants.js';
import { OURS, type EvalReport } from './report.data.js';

export function ratiosOf({ cells }: Pick<EvalReport, 'cells'>): number[] {
  return [...new Set(cells.map(({ ratio }) => ratio))].sort((a, b) => a - b);
}

/** Variants in the order of the run, without parts of the ablation where they have a table of their own. */
export function mainVariants({ cells }: Pick<EvalReport, 'cells'>): string[] {
  const names = [...new Set(cells.map(({ variant }) => variant))];
  if (!names.includes(OURS)) return names;
  const main = names.filter((name) => name === OURS || !Object.hasOwn(ABLATION_LABELS, name));
  return main.some((name) => name !== 'full' && name !== OURS) ? main : names;
}

export function formatRatio(ratio: number): string {
  return `${Number((100 * ratio).toFixed(2))} %`;
}

export function percent(share: number): string {
  return (100 * share).toFixed(1);
}

export function percentWithInterval({ value, low, high }: Estimate): string {
  return `${percent(value)} (${percent(low)}-${percent(high)})`;
}

export function pointsWithInterval({ value, low, high }: Estimate): string {
  const signed = (share: number): string => `${share > 0 ? '+' : ''}${percent(share).replace(/^-(0\.0)$/, '$1')}`;
  return `${signed(value)} (${signed(low)} to ${signed(high)})`;
}
