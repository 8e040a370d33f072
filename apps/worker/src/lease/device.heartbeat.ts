import { AsyncResource } from 'node:async_hooks';
import type { RegisterDeviceRequest } from '@madakv/contracts';
import type { BudgetWatch } from './budget.watch.js';

/** Pause after an announcement without an answer, in milliseconds. */
const RETRY_MS = 1_000;

/** Announces this worker's device to the memory-budget service, thrice in each time to live, and when the service comes back. */
export class DeviceHeartbeat {
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private capacity: number;

  constructor(
    private readonly budget: BudgetWatch,
    readonly device: RegisterDeviceRequest,
  ) {
    this.capacity = device.capacityBytes;
    budget.onChange((reachable) => {
      if (reachable) this.beat();
    });
  }

  /** What may be leased of the device, in bytes, as far as is known: less than it has where an operator limits it. */
  get capacityBytes(): number {
    return this.capacity;
  }

  start(): void {
    this.beat();
  }

  /** Announces it now. @throws MadakvError `budget_unavailable` */
  async announce(): Promise<void> {
    const { ttlMs, capacityBytes } = await this.budget.call('registerDevice', this.device);
    this.capacity = capacityBytes;
    this.schedule(ttlMs / 3);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  private beat(): void {
    this.announce().catch(() => {
      this.schedule(RETRY_MS);
    });
  }

  /** Bound here: a heartbeat is no part of the trace of the request that happened to announce the device. */
  private readonly schedule = AsyncResource.bind((inMs: number): void => {
    clearTimeout(this.timer);
    if (this.closed) return;
    this.timer = setTimeout(() => {
      this.beat();
    }, inMs);
  });
}
