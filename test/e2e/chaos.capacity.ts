import { connectRedis } from '@madakv/records';
import type { Lease } from '@madakv/contracts';
import { snapshotOf, loadSnapshots, sum, type Snapshot } from '../integration/budget.snapshot.js';

/** Between two looks, in milliseconds. */
const EVERY_MS = 5;

/**
 * Looks at a device's leases in Redis every few milliseconds, past the memory-budget service, which may be dead. While Redis
 * is away it waits for it.
 */
export class LeaseSampler {
  samples = 0;
  /** The most bytes that leases held together. */
  mostBytes = 0;
  /** What ought not to be, in words. */
  readonly violations: string[] = [];
  private readonly redis;
  private readonly keys: readonly string[];
  private readonly waiting = new Set<(snapshot: Snapshot) => void>();
  private ended = false;
  private readonly over: Promise<void>;

  constructor(redisUrl: string, deviceId: string) {
    this.redis = connectRedis(redisUrl, { name: 'lease-sampler', maxRetriesPerRequest: null }, () => undefined);
    this.keys = ['device', 'leases', 'expiries', 'tenants', 'waiting'].map(
      (key) => `madakv:budget:{${deviceId}}:${key}`,
    );
    this.over = this.run();
  }

  /** Resolves with the first leases of which that is so. */
  until(isSo: (leases: readonly Lease[]) => boolean, signal: AbortSignal): Promise<readonly Lease[]> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.waiting.delete(look);
        signal.removeEventListener('abort', giveUp);
      };
      const look = ({ leases }: Snapshot): void => {
        if (!isSo(leases)) return;
        leave();
        resolve(leases);
      };
      const giveUp = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp);
      this.waiting.add(look);
    });
  }

  async stop(): Promise<void> {
    this.ended = true;
    await this.over;
    this.redis.disconnect();
  }

  private async run(): Promise<void> {
    let loaded = false;
    while (!this.ended) {
      try {
        // A restarted Redis has forgotten the script.
        if (!loaded) await loadSnapshots(this.redis);
        loaded = true;
        this.check(await snapshotOf(this.redis, this.keys));
      } catch (error) {
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
        loaded = false;
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  private check(snapshot: Snapshot): void {
    this.samples++;
    const bytes = sum(snapshot.leases.map((lease) => lease.bytes));
    this.mostBytes = Math.max(this.mostBytes, bytes);
    if (snapshot.known && bytes > snapshot.capacity) {
      this.violations.push(`${bytes} bytes are leased of ${snapshot.capacity}`);
    }
    if (bytes !== snapshot.held) this.violations.push(`${bytes} bytes are leased, ${snapshot.held} are counted`);
    for (const look of [...this.waiting]) look(snapshot);
  }
}
