export interface GroupTurn {
  leave(): void;
}

/** Lets so many requests in groups be under way at a time; a group is let in whole, where nothing else is in any case. */
export class GroupTurns {
  private running = 0;

  constructor(private readonly most: number) {}

  /** @returns undefined where it has to wait for others */
  enter(requests: number): GroupTurn | undefined {
    if (this.running > 0 && this.running + requests > this.most) return undefined;
    this.running += requests;
    return {
      leave: () => {
        this.running -= requests;
      },
    };
  }
}
