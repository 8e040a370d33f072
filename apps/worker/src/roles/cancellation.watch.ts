import { ID_PREFIXES } from '@madakv/contracts';
import type { Cancellations } from '@madakv/records';
import type { OnApplicationBootstrap } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { QueuedDemand } from '../lease/queued.demand.js';
import type { RunningRequests } from './running.requests.js';

/** How long a lost announcement may go unnoticed, in milliseconds. */
const SWEEP_MS = 3_000;

/** What ends with a request. */
export interface CancelledWork {
  readonly running: RunningRequests;
  readonly demand: Pick<QueuedDemand, 'withdraw'>;
}

/** Hears of cancellations, wherever they were made, and ends the requests that they mean. */
export class CancellationWatch implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly cancellations: Pick<Cancellations, 'watch'>,
    /** A connection that does nothing else. */
    private readonly subscriber: Redis,
    private readonly work: CancelledWork,
    private readonly onError: (error: unknown) => void,
    private readonly sweepMs = SWEEP_MS,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.sweepLater();
    const { running, demand } = this.work;
    await this.cancellations.watch(this.subscriber, (id) => {
      running.announced(id).catch(this.onError);
      // A chat completion that waits leaves its queue without any worker; lines are their batch's business.
      if (id.startsWith(ID_PREFIXES.chat)) demand.withdraw(id);
    });
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private sweepLater(): void {
    this.timer = setTimeout(() => {
      this.work.running
        .sweep()
        .catch(this.onError)
        .finally(() => {
          this.sweepLater();
        });
    }, this.sweepMs);
  }
}
