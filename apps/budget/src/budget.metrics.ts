import type { BudgetMethod, BudgetReply } from '@madakv/contracts';

/** What the service tells about itself; libs/contracts names the instruments. */
export interface BudgetMetrics {
  /** One call answered. `outcome` is the reply's, or `ok` for a reply that has none, or `error` when there is no answer. */
  answered(call: { readonly method: BudgetMethod; readonly outcome: string; readonly seconds: number }): void;
  /** A lease was granted this share of the whole prompt's cache. */
  granted(cacheRatio: number): void;
  /** Leases that a sweep ended because nobody renewed them. */
  expired(leases: number): void;
  /** Reads the gauges of devices and demand whenever metrics are collected, until the function returned is called. */
  observe(readings: BudgetReadings): () => void;
}

export interface BudgetReadings {
  readonly devices: () => Promise<BudgetReply<'list'>>;
  readonly demand: () => Promise<BudgetReply<'queryDemand'>>;
}

export const noMetrics: BudgetMetrics = {
  answered: () => undefined,
  granted: () => undefined,
  expired: () => undefined,
  observe: () => () => undefined,
};
