/** Adds up how long each phase of some work took. */
export class PhaseClock<Phase extends string> {
  private readonly spent = new Map<Phase, number>();

  constructor(private readonly now: () => number) {}

  async measure<Result>(phase: Phase, work: () => Promise<Result>): Promise<Result> {
    const start = this.now();
    try {
      return await work();
    } finally {
      this.spent.set(phase, this.of(phase) + this.now() - start);
    }
  }

  /** Milliseconds of a phase so far. */
  of(phase: Phase): number {
    return this.spent.get(phase) ?? 0;
  }
}
