import { MadakvError, type LeaseEvent, type LeaseRef } from '@madakv/contracts';
import type { BudgetCalls } from './budget.watch.js';

export interface LeaseGrant {
  /** Held at first. */
  readonly bytes: number;
  /** What eviction may keep. */
  readonly grantedBytes: number;
  readonly ttlMs: number;
}

/** Pause before a renewal is tried again that had no answer, in milliseconds. */
const RETRY_MS = 500;

/**
 * A lease that a running request holds. It is renewed on this thread, thrice in each time to live, for as long as it is
 * held. While the service does not answer the request goes on; a service that says the lease is gone ends it.
 */
export class HeldLease {
  /** What happened to the lease, for the trace. */
  readonly events: LeaseEvent[] = [];
  private readonly loss = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private ended = false;
  private heldBytes: number;
  private wantedBytes: number;
  private ttlMs: number;

  constructor(
    private readonly budget: BudgetCalls,
    readonly ref: LeaseRef,
    private readonly grant: LeaseGrant,
  ) {
    this.heldBytes = grant.bytes;
    this.wantedBytes = grant.bytes;
    this.ttlMs = grant.ttlMs;
    this.note('granted', grant.bytes);
    this.schedule(this.ttlMs / 3);
  }

  get grantedBytes(): number {
    return this.grant.grantedBytes;
  }

  /** Bytes that the service holds for it, as far as is known. */
  get bytes(): number {
    return this.heldBytes;
  }

  /** Aborted with `lease_lost` when the memory may be someone else's. */
  get lost(): AbortSignal {
    return this.loss.signal;
  }

  /**
   * What the request will have allocated at most from now on. Where the service does not answer, the lease stays as large as it
   * was and the next renewal says it again.
   */
  async resize(bytes: number): Promise<void> {
    this.wantedBytes = bytes;
    await this.touch().catch(unlessUnavailable);
  }

  /** Gives everything back. A lease that cannot be given back now ends with its time to live. @returns whether it ended */
  async release(): Promise<boolean> {
    if (this.ended) return true;
    this.ended = true;
    clearTimeout(this.timer);
    try {
      await this.budget.call('release', { lease: this.ref });
      this.note('released', 0);
      return true;
    } catch (error) {
      unlessUnavailable(error);
      return false;
    }
  }

  /** How long the lease lives without being renewed, in milliseconds. */
  get timeToLiveMs(): number {
    return this.ttlMs;
  }

  private schedule(inMs: number): void {
    this.timer = setTimeout(() => {
      this.touch().then(
        () => {
          if (!this.ended) this.schedule(this.ttlMs / 3);
        },
        () => {
          if (!this.ended) this.schedule(Math.min(RETRY_MS, this.ttlMs / 3));
        },
      );
    }, inMs);
  }

  /** Renews the lease, at the size that is wanted. */
  private async touch(): Promise<void> {
    const bytes = this.wantedBytes;
    const reply =
      bytes === this.heldBytes
        ? await this.budget.call('renew', { lease: this.ref })
        : await this.budget.call('resize', { lease: this.ref, bytes });
    if (this.ended) return;
    if (reply.outcome === 'held') {
      this.ttlMs = reply.held.ttlMs;
      if (bytes !== this.heldBytes) this.note('resized', bytes);
      this.heldBytes = bytes;
    } else if (reply.outcome === 'refused') {
      this.lose(reply.refused.reason);
    } else {
      // Only growing can find no room, and a request that holds less than it allocates must not go on.
      this.lose(reply.full.reason);
    }
  }

  private lose(reason: string): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.note('lost', 0, reason);
    const held = `the lease of ${this.heldBytes} bytes on ${this.ref.deviceId}`;
    this.loss.abort(new MadakvError('lease_lost', `${held} was lost: ${reason}`, { reason: reason.toLowerCase() }));
  }

  private note(event: LeaseEvent['event'], bytes: number, detail?: string): void {
    this.events.push({ atMs: Date.now(), event, bytes, ...(detail === undefined ? {} : { detail }) });
  }
}

function unlessUnavailable(error: unknown): void {
  if (!(error instanceof MadakvError && error.code === 'budget_unavailable')) throw error;
}
