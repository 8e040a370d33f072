import type { ModelRecord } from '@madakv/contracts';
import type { ModelRegistry } from '@madakv/records';
import type { OnApplicationBootstrap } from '@nestjs/common';

/** Between two announcements of the model, in milliseconds. */
const PERIOD_MS = 15_000;

/** Keeps this worker's model known to gateways. */
export class ModelHeartbeat implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly models: Pick<ModelRegistry, 'announce'>,
    private readonly model: Omit<ModelRecord, 'seenAtMs' | 'createdAt'>,
    private readonly onError: (error: unknown) => void,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.announce();
    this.timer = setInterval(() => {
      this.announce().catch(this.onError);
    }, PERIOD_MS);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private announce(): Promise<void> {
    const now = Date.now();
    return this.models.announce({ ...this.model, createdAt: Math.floor(now / 1_000), seenAtMs: now });
  }
}
