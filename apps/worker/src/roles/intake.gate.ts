import type { Worker } from 'bullmq';

/** Why no new jobs are taken. */
export type Hold = 'engine' | 'budget' | 'draining';

/**
 * Opens and closes the intake of a queue: closed while there is any reason for it. What runs goes on; only the fetching of new
 * jobs stops, in this process alone.
 */
export class IntakeGate {
  private readonly holds = new Set<Hold>();
  private worker: Pick<Worker, 'pause' | 'resume'> | undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(
    initial: readonly Hold[],
    private readonly onError: (error: unknown) => void,
  ) {
    for (const hold of initial) this.holds.add(hold);
  }

  get reasons(): readonly Hold[] {
    return [...this.holds];
  }

  /** From now on this worker follows the gate; it must be paused or not yet running. */
  attach(worker: Pick<Worker, 'pause' | 'resume'>): void {
    this.worker = worker;
    this.apply();
  }

  set(hold: Hold, closed: boolean): void {
    if (closed === this.holds.has(hold)) return;
    if (closed) this.holds.add(hold);
    else this.holds.delete(hold);
    this.apply();
  }

  /** One change after the other; the last one stands. */
  private apply(): void {
    this.turn = this.turn
      .then(async () => {
        if (this.holds.size > 0) await this.worker?.pause(true);
        else await this.worker?.resume();
      })
      .catch(this.onError);
  }
}
