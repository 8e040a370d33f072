import type { Cancellations } from '@madakv/records';
import type { OnApplicationBootstrap } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { RunningRequests } from './running.requests.js';

/** How long a lost announcement may go unnoticed, in milliseconds. */
const SWEEP_MS = 3_000;

/** Hears of cancellations, wherever they were made, and ends the requests that they mean. */
export class CancellationWatch implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly cancellations: Pick<Cancellations, 'watch'>,
    /** A connection that does nothing else. */
    private readonly subscriber: Redis,
    private readonly running: RunningRequests,
    private readonly onError: (error: unknown) => void,
    private readonly sweepMs = SWEEP_MS,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.sweepLater();
    await this.cancellations.watch(this.subscriber, (id) => {
      this.running.announced(id).catch(this.onError);
    });
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private sweepLater(): void {
    this.timer = setTimeout(() => {
      this.running
        .sweep()
        .catch(this.onError)
        .finally(() => {
          this.sweepLater();
        });
    }, this.sweepMs);
  }
}
