export interface GroupTurn {
  leave(): void;
}

/** How long room is kept for a group that waits and does not ask again, in milliseconds. It is offered again after a fraction of that. */
const CLAIM_MS = 2_000;

/**
 * Lets so many requests in groups be under way at a time; a group is let in whole, where nothing else is in any case. The first that
 * has to wait is waited for: smaller ones that would fit do not pass it for ever.
 */
export class GroupTurns {
  private running = 0;
  private claim: { readonly name: string; readonly requests: number; readonly untilMs: number } | undefined;

  /** @param now milliseconds that only ever grow */
  constructor(
    private readonly most: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param name of the group, the same when it asks again. @returns undefined where it has to wait for others */
  enter(name: string, requests: number): GroupTurn | undefined {
    const claim = this.claim !== undefined && this.claim.untilMs > this.now() ? this.claim : undefined;
    const kept = claim === undefined || claim.name === name ? 0 : claim.requests;
    if (this.running > 0 && this.running + requests + kept > this.most) {
      if (kept === 0) this.claim = { name, requests, untilMs: this.now() + CLAIM_MS };
      return undefined;
    }
    if (kept === 0) this.claim = undefined;
    this.running += requests;
    return {
      leave: () => {
        this.running -= requests;
      },
    };
  }
}
