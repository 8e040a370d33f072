import type { ModelRecord } from '@madakv/contracts';
import type { ModelRegistry } from '@madakv/records';
import type { OnApplicationBootstrap } from '@nestjs/common';

/** Between two announcements of the model, in milliseconds. */
const PERIOD_MS = 15_000;

/** Keeps this worker's model known to gateways. */
export class ModelHeartbeat implements OnApplicationBootstrap {
  private timer: NodeJS.Timeout | undefined;
  private kv: ModelRecord['kv'];

  constructor(
    private readonly models: Pick<ModelRegistry, 'announce'>,
    private readonly model: Omit<ModelRecord, 'seenAtMs' | 'createdAt' | 'kv'>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** From now on how this worker keeps the cache is announced too. */
  keeps(kv: NonNullable<ModelRecord['kv']>): void {
    this.kv = kv;
    this.announce().catch(this.onError);
  }

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
    const kv = this.kv === undefined ? {} : { kv: this.kv };
    return this.models.announce({ ...this.model, ...kv, createdAt: Math.floor(now / 1_000), seenAtMs: now });
  }
}
