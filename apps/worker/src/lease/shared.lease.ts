import type { LeaseEvent, Need } from '@madakv/contracts';
import { grantedShares, type SharedNeed } from '@madakv/requests';
import type { LeaseHistory } from '../trace/trace.document.builder.js';
import type { HeldLease } from './held.lease.js';

/** When memory was asked for the first time, and when it was granted, in milliseconds since 1970. */
export interface LeaseTimes {
  readonly asked: number;
  readonly granted: number;
}

/** What one of those under a lease has of it. */
export interface LeaseShare {
  readonly need: Need;
  /** What eviction may keep for it. */
  readonly grantedBytes: number;
  readonly history: LeaseHistory;
  /** It is evicted. @param maxBytes the most that it will have allocated from now on */
  evicted(maxBytes: number): void;
  /** It has ended and freed all it had. @returns whether the service knows */
  leave(): Promise<boolean>;
}

/**
 * The lease of requests that are read together. It is as large as what they may have allocated, at every moment: their budgets,
 * their answers, and one layer in full while any of them is being read. It shrinks as they are evicted and as they end, and is
 * given back by the last.
 */
export class SharedLease {
  readonly shares: readonly LeaseShare[];
  /** The most that each of those that have not ended may allocate, in bytes. */
  private readonly most = new Map<number, number>();
  /** Those that are not evicted yet. */
  private readonly unread = new Set<number>();
  private isReleased = false;
  private said: Promise<void> = Promise.resolve();
  private saying: Promise<void> | undefined;

  constructor(
    private readonly lease: HeldLease,
    private readonly need: SharedNeed,
    waited: readonly LeaseEvent[],
    readonly times: LeaseTimes,
  ) {
    const granted = grantedShares(lease.grantedBytes, need.members);
    this.shares = need.members.map(({ need: own, answerBytes }, i) => {
      this.most.set(i, granted[i] + answerBytes);
      this.unread.add(i);
      return {
        need: own,
        grantedBytes: granted[i],
        history: this.historyOf(granted[i], waited),
        evicted: (maxBytes) => {
          this.most.set(i, maxBytes);
          this.unread.delete(i);
          void this.say();
        },
        leave: () => this.leave(i),
      };
    });
  }

  /** Aborted with `lease_lost` when the memory may be someone else's. */
  get lost(): AbortSignal {
    return this.lease.lost;
  }

  get timeToLiveMs(): number {
    return this.lease.timeToLiveMs;
  }

  /** Whether all have left and the service knows; until then whoever asks under the same name is given this lease again. */
  get released(): boolean {
    return this.isReleased;
  }

  private async leave(member: number): Promise<boolean> {
    this.most.delete(member);
    this.unread.delete(member);
    if (this.most.size > 0) {
      await this.say();
      return true;
    }
    await (this.saying ?? this.said);
    return (this.isReleased = await this.lease.release());
  }

  /**
   * Tells the service how much is needed from now on: once for all that happens while it is being told. It is less than before, so where
   * that fails nothing is wrong but the sum, and the next renewal says it again.
   */
  private say(): Promise<void> {
    this.saying ??= this.said.then(() => {
      this.saying = undefined;
      if (this.most.size > 0) this.said = this.lease.resize(this.bytes).catch(() => undefined);
      return this.said;
    });
    return this.saying;
  }

  private get bytes(): number {
    const layer = this.unread.size > 0 ? this.need.layerBytes : 0;
    return [...this.most.values()].reduce((sum, bytes) => sum + bytes, layer);
  }

  private historyOf(grantedBytes: number, waited: readonly LeaseEvent[]): LeaseHistory {
    const { lease } = this;
    return {
      ref: lease.ref,
      requests: this.need.members.length,
      grantedBytes,
      /** As they are at the time of reading. */
      get events() {
        return [...waited, ...lease.events];
      },
    };
  }
}
