import type { BudgetWatch } from './budget.watch.js';

/** What queued requests say that they will ask for, which the memory-budget service adds up for whoever scales workers. */
export class QueuedDemand {
  constructor(private readonly budget: Pick<BudgetWatch, 'available' | 'call'>) {}

  /** For a request that had memory and goes back to its queue. Whoever takes it asks again; until then somebody has to come for it. */
  async publish(jobId: string, model: string, bytes: number): Promise<void> {
    if (!this.budget.available) return;
    await this.budget.call('publishDemand', { jobId, bytes, model }).catch(() => undefined);
  }

  /** For a request that will never ask again. A service that is away is not told: it forgets such demand by itself, later. */
  withdraw(requestId: string): void {
    if (!this.budget.available) return;
    this.budget.call('publishDemand', { jobId: requestId, bytes: 0 }).catch(() => undefined);
  }
}
